"""From searches to candidates: what becomes of each search, whatever its process did."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from dgdr_api.candidate import Candidate, Role
from dgdr_api.results import SearchOutcome, SearchReport
from dgdr_controller.profiler.simulation.messages import Found, Search
from dgdr_controller.profiler.simulation.rows import Facts, read_rows
from dgdr_controller.profiler.simulation.worker_pool import Answered, Lost, Refused, Reported, Started

_SEARCHING = "searching"
Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Pool(Protocol):
    """Runs a function on items, each in a process of its own; see `worker_pool.WorkerPool`."""

    def run(
        self, function: Callable[[Item], Answer], items: Sequence[Item], deadline_s: float, until: float
    ) -> Iterator[Started[Item] | Reported[Item] | Answered[Item, Answer] | Refused[Item] | Lost[Item]]:
        """Yield what happens to each item."""
        ...


class Step(StrEnum):
    """What is done beside the searches."""

    SURVEY = "simulator"
    SELECTION = "selection"
    CURVES = "planner's curves"
    MEASUREMENT = "measurement"


@dataclass(frozen=True, slots=True)
class Progress:
    """What `on_progress` is called with: one line for each search, and for each other step."""

    search: Search | Step
    state: str
    finished: bool
    role: Role | None = None
    """Whose workers a search estimates now."""
    seconds: float = 0.0
    total: int = 0
    """Searches, or points to be measured, that are to come, once that is known."""
    completed: int = 0
    """Points that were measured."""


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """Candidates of one replica each, and one report for each search, both in the order of the searches."""

    candidates: list[Candidate]
    reports: list[SearchReport]


def _read(found: Found, search: Search, facts: Facts) -> tuple[list[Candidate], str]:
    """Return the candidates, and what should be said about the rows."""
    reading = read_rows(found.rows, search, facts)
    dropped = [f"{count} rows {reason} were dropped" for reason, count in reading.dropped.items()]
    return reading.candidates, "; ".join([*([found.reason] if found.reason else []), *dropped])


def collect(
    pool: Pool,
    searches: Sequence[Search],
    facts: Facts,
    on_progress: ProgressCallback,
    deadline_s: float,
    until: float,
) -> Collected:
    """Run the searches and read their rows. A search that fails is reported and costs only itself."""
    found: dict[Search, tuple[list[Candidate], SearchReport]] = {}
    for event in pool.run(_search, searches, deadline_s, until):
        search = event.item
        match event:
            case Started():
                on_progress(Progress(search, _SEARCHING, finished=False))
                continue
            case Reported(stage=role):
                state = _SEARCHING if role == Role.AGGREGATED else f"estimating {role} workers"
                on_progress(Progress(search, state, finished=False, role=Role(role)))
                continue
            case Answered(answer=answer):
                candidates, message = _read(answer, search, facts)
                outcome = SearchOutcome.FOUND if candidates else SearchOutcome.NO_CANDIDATE
                found[search] = candidates, _report(search, outcome, message, len(candidates))
            case Refused(error=error, message=message):
                details = " ".join([f"{error}:", *message.split()]) if message else error
                found[search] = [], _report(search, SearchOutcome.FAILED, f"the simulator failed with {details}")
            case Lost(reason=reason):
                found[search] = [], _report(search, SearchOutcome.FAILED, reason)
        on_progress(Progress(search, _state(found[search][1]), finished=True, seconds=event.seconds))
    return Collected([c for s in searches for c in found[s][0]], [found[s][1] for s in searches])


def _search(wanted: Search) -> Found:
    """Run in a worker. Only there is numpy needed: the controller's image has none."""
    from dgdr_controller.profiler.simulation.search import search  # noqa: PLC0415

    return search(wanted)


def _report(search: Search, outcome: SearchOutcome, message: str, candidates: int = 0) -> SearchReport:
    return SearchReport(
        backend=search.backend,
        mode=search.mode,
        draft_tokens=search.draft_tokens,
        outcome=outcome,
        message=message,
        candidates=candidates,
    )


def _state(report: SearchReport) -> str:
    if report.outcome is SearchOutcome.FOUND:
        return f"{report.candidates} configurations"
    return f"{'failed' if report.outcome is SearchOutcome.FAILED else 'nothing'}: {report.message}"
