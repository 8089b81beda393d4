import datetime as dt

import pytest

from dgdr_api.conditions import ConditionUpdate, DeploymentReady, Profiling, Succeeded, of_warning, set_conditions
from dgdr_api.request_warnings import PrerequisiteWarning
from dgdr_api.v1beta1 import Phase

NOON = dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("phase", "update", "shown"),
    [
        (Phase.PENDING, Profiling.discovering(), "Pending"),
        (Phase.PENDING, Profiling.waiting("WaitingForClaim", "no claim"), "WaitingForClaim"),
        (Phase.PROFILING, Profiling.running("SweepingDecode", "4 of 6"), "Profiling"),
        (Phase.PROFILING, Profiling.waiting("Unschedulable", "0/1 nodes"), "Unschedulable"),
        (Phase.PROFILING, Profiling.retrying(), "RetryingJob"),
        (Phase.DEPLOYING, DeploymentReady.in_progress("x", "pending"), "Deploying"),
        (Phase.DEPLOYING, DeploymentReady.not_installed(), "WaitingForDynamo"),
        (Phase.DEPLOYING, DeploymentReady.name_conflict("x"), "NameConflict"),
        (Phase.DEPLOYED, DeploymentReady.ready("x"), "Deployed"),
    ],
)
def test_aggregate_says_what_is_waited_for_while_nothing_goes_on(
    phase: Phase, update: ConditionUpdate, shown: str
) -> None:
    conditions = set_conditions((), [update], 1, NOON)
    found = Succeeded.of(phase, conditions)
    assert found.reason == shown
    waits = shown in {"WaitingForClaim", "Unschedulable", "RetryingJob", "WaitingForDynamo", "NameConflict"}
    assert (found.message == update.message) is waits


def test_trouble_and_a_warning_are_both_in_sight() -> None:
    updates = [Profiling.waiting("OOMKilled", "pod x: killed"), of_warning(PrerequisiteWarning.gpus_busy("8 GPUs"))]
    found = Succeeded.of(Phase.PROFILING, set_conditions((), updates, 1, NOON))
    assert found.reason == "OOMKilled"
    assert found.message.startswith("pod x: killed. ")
    assert "8 GPUs" in found.message
