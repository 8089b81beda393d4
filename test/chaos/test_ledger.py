from typing import Any

from test.builders.chaos.ledger import Ledger, spread

REQUEST, JOB = "DynamoGraphDeploymentRequest", "Job"


def of(name: str, uid: str = "1", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid}} | fields


def profiling(message: str, **fields: Any) -> dict[str, Any]:
    conditions = [{"type": "Profiling", "reason": "Running", "message": message}]
    return {"phase": "Profiling", "conditions": conditions} | fields


def test_second_uid_of_a_name_is_a_duplicate_and_so_is_a_name_that_nobody_has() -> None:
    ledger = Ledger()
    for uid in ("1", "1", "2"):
        ledger.saw(JOB, "MODIFIED", of("profile-a", uid))
    ledger.saw(JOB, "ADDED", of("profile-b"))
    ledger.saw(JOB, "ADDED", of("another"))
    assert ledger.duplicated(JOB, ["profile-a", "profile-b"]) == [
        "Job another is nobody's",
        "Job profile-a had 2 UIDs",
    ]


def test_request_that_is_not_where_it_should_be_is_lost() -> None:
    ledger = Ledger()
    ledger.saw(REQUEST, "MODIFIED", of("a", status=profiling("x")))
    assert ledger.lost({"a": "Profiling"}) == []
    assert ledger.lost({"a": "Ready", "b": "Ready"}) == ["a: 'Profiling', not Ready", "b: None, not Ready"]


def test_writes_of_a_status_are_told_from_progress_and_from_other_changes() -> None:
    ledger = Ledger()
    states: list[dict[str, Any]] = [
        of("a"),
        of("a", status=profiling("one")),
        of("a", status=profiling("two", profilingProgress={"completed": 1})),
        of("a", status=profiling("two", profilingProgress={"completed": 1}), spec={"changed": True}),
        of("a", status=profiling("two") | {"phase": "Ready"}),
    ]
    for state in states:
        ledger.saw(REQUEST, "MODIFIED", state)
    assert (ledger.status_writes["a"], ledger.progress_writes["a"]) == (2, 1)


def test_events_count_for_the_request_that_they_are_about() -> None:
    ledger = Ledger()
    event = of("a.123", involvedObject={"name": "a"})
    for what in ("ADDED", "MODIFIED", "DELETED"):
        ledger.saw("Event", what, event)
    assert ledger.events["a"] == 2
    assert spread(ledger.events, ["a", "b"]) == "median 1, max 2"
