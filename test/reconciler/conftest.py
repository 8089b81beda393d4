"""Observed states that phases begin from."""

from dataclasses import replace

import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.phases.profiling import profiling
from test.builders.deployments import manifest
from test.builders.observed_state import after, graph_of, in_phase, observed_of, published_of
from test.builders.results import results_of


@pytest.fixture
def profiling_state() -> ObservedState:
    """A request whose Job has just been made."""
    observed = observed_of()
    observed = in_phase(Phase.PENDING, observed, pending(observed))
    return in_phase(Phase.PROFILING, observed, pending(observed))


@pytest.fixture
def ready_state(profiling_state: ObservedState) -> ObservedState:
    """A request with results that is not to be deployed."""
    request = profiling_state.request
    held = request.model_copy(update={"spec": request.spec.model_copy(update={"auto_apply": False})})
    observed = replace(profiling_state, request=held)
    observed = replace(observed, **published_of(observed, results_of()))
    return in_phase(Phase.READY, observed, profiling(observed))


@pytest.fixture
def deploying_state(profiling_state: ObservedState) -> ObservedState:
    """A request whose deployment is written and not made yet."""
    observed = replace(profiling_state, **published_of(profiling_state, results_of()))
    return in_phase(Phase.DEPLOYING, observed, profiling(observed))


@pytest.fixture
def deployed_state(deploying_state: ObservedState) -> ObservedState:
    """A request whose deployment is healthy."""
    observed = replace(deploying_state, graph=graph_of(manifest(deploying_state)))
    return after(observed, deploying(observed))
