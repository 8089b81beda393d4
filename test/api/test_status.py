"""A status may come from upstream's operator or from another version of ours; what we write is what Kubernetes takes."""

import datetime as dt
import json
from typing import get_args

import pytest

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Condition, DgdrStatus, ParetoItem


def test_unknown_fields_are_skipped() -> None:
    status = DgdrStatus.model_validate_json(
        '{"phase": "Ready", "new": 1, "profilingResults": {"pareto": [{"new": 1}]}}'
    )
    assert status.phase == "Ready"
    assert json.loads(status.model_dump_json(exclude_none=True)) == {
        "phase": "Ready",
        "profilingResults": {"pareto": [{}]},
    }


def test_status_of_upstream_is_read() -> None:
    status = DgdrStatus.model_validate_json(
        '{"conditions": [{"type": "DeploymentReady", "status": "True", "reason": "DeploymentReady", "message": "",'
        ' "lastTransitionTime": "2026-08-01T12:00:00Z"}], "profilingResults": {"pareto": [{"config": {"a": 1}}]}}'
    )
    assert status.conditions
    assert status.conditions[0].observed_generation is None
    assert status.profiling_results
    assert status.profiling_results.pareto == (ParetoItem(config={"a": 1}),)


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (dt.datetime(2026, 8, 1, 12, 0, 0, 999_999, dt.UTC), "2026-08-01T12:00:00Z"),
        (dt.datetime(2026, 8, 1, 12, 0, 0, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2026-08-01T10:00:00Z"),
    ],
)
def test_times_are_utc_and_whole_seconds(time: dt.datetime, written: str) -> None:
    condition = Condition(type="A", status="True", reason="B", message="", last_transition_time=time)
    assert json.loads(condition.model_dump_json())["lastTransitionTime"] == written


def test_time_without_zone_is_none() -> None:
    with pytest.raises(ValueError, match="timezone"):
        Condition(type="A", status="True", reason="B", message="", last_transition_time=dt.datetime(2026, 8, 1))  # noqa: DTZ001


def test_modes_are_those_of_candidates() -> None:
    literal, _ = get_args(ParetoItem.model_fields["mode"].annotation)
    assert set(get_args(literal)) == {mode.value for mode in Mode}
