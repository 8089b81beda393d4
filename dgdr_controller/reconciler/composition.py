"""The deployment of a request that is in the cluster, for a candidate."""

from collections.abc import Iterable
from dataclasses import replace

from dgdr_api.candidate import Candidate
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.hardware import HardwareUsed
from dgdr_api.options import keeps_image
from dgdr_api.preserved import Preserved, as_far_as_known, preserved
from dgdr_api.results import Results
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.deployment.compose import Composed, compose_adopted, compose_first
from dgdr_controller.deployment.conversion.versions import to_v1alpha1
from dgdr_controller.deployment.quantities import gpus_of
from dgdr_controller.deployment.render import GraphRequest
from dgdr_controller.deployment.render.images import runtime_version
from dgdr_controller.deployment.runtime_version import filled_in
from dgdr_controller.hardware.status import used
from dgdr_controller.kinds import GRAPHS_V1ALPHA1
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler.observed_state import ObservedState


def composed(observed: ObservedState, candidates: Iterable[Candidate], results: Results) -> tuple[Candidate, Composed]:
    """Compose the deployment of the first candidate that can be, in the version that the cluster serves.

    Raises:
        InvalidRequestError: What the user wants cannot be laid over it, or said in that version.
    """
    kept = preserved(observed.request.metadata.annotations)
    if kept.base is not None and observed.base is None:
        detail = "does not exist any more; it holds the deployment that the plan is merged into"
        raise InvalidRequestError([FieldError("spec.profilingConfig.configMapRef", f'"{kept.base.name}"', detail)])
    request = replace(
        _asked(observed, results.hardware, kept),
        model=results.model,
        curves=results.curves,
        base=read_base(observed.base) if observed.base is not None else None,
        facts=results.model_facts,
    )
    candidate, made = compose_first(candidates, request, observed.settings)
    return candidate, _as_served(observed, made)


def composed_adopted(observed: ObservedState, text: str) -> tuple[int, Composed]:
    """Compose the deployment that another profiler made: its GPUs, and it in the version that the cluster serves.

    Raises:
        InvalidRequestError: It cannot be created, or what the user wants cannot be laid over it.
    """
    hardware = used(observed.status.hardware)
    if hardware is None:
        raise InvalidRequestError([FieldError("status.hardware", "Required value", "says for how many GPUs it is")])
    made = compose_adopted(text, _asked(observed, hardware, preserved(observed.request.metadata.annotations)))
    return gpus_of(made.graph), _as_served(observed, made)


def with_runtime_version(observed: ObservedState, graph: Manifest) -> Manifest:
    """Return a deployment with the version that the request names by now: that may be added after it was composed."""
    hardware = used(observed.status.hardware)
    if hardware is None:
        return graph
    kept = as_far_as_known(observed.request.metadata.annotations)
    return filled_in(graph, runtime_version(_asked(observed, hardware, kept)))


def _asked(observed: ObservedState, hardware: HardwareUsed, kept: Preserved) -> GraphRequest:
    """Return what the request itself says of its deployment."""
    asked, spec = observed.request.metadata, observed.request.spec
    return GraphRequest(
        name=asked.name,
        namespace=asked.namespace,
        uid=asked.uid,
        spec=spec,
        model=spec.model,
        hardware=hardware,
        preserved=kept,
        keeps_image=keeps_image(asked.annotations),
    )


def _as_served(observed: ObservedState, made: Composed) -> Composed:
    return replace(made, graph=to_v1alpha1(made.graph)) if observed.graphs == GRAPHS_V1ALPHA1 else made
