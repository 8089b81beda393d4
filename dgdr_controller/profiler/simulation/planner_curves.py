"""The planner's curves for every worker that may be deployed."""

import math
import time
from collections.abc import Sequence

from dgdr_api.candidate import Candidate, Mode, Outcome, Parallelism, Role, Source
from dgdr_api.curves import WorkerCurve
from dgdr_api.request_warnings import ConfigurationWarning
from dgdr_api.results import Results
from dgdr_controller.profiler.simulation.aic.curves import Asked, curves
from dgdr_controller.profiler.simulation.collect import Pool, Progress, ProgressCallback, Step
from dgdr_controller.profiler.simulation.messages import Search
from dgdr_controller.profiler.simulation.worker_pool import Answered, Lost, Refused

_DEADLINE_S = 120.0
_LONGEST_MEANS = 2
_OFFERED = (Outcome.SELECTED, Outcome.ALTERNATIVE)


def with_curves(results: Results, searches: Sequence[Search], pool: Pool, on_progress: ProgressCallback) -> Results:
    """Add the curves of the selected candidate's workers and its alternatives'; say where they could not be had.

    Only workers of one role have them: the planner has no use for those of engines that do both.
    """
    drafts = results.choice.draft_tokens if results.choice else 0  # a curve does not say of how many it is
    offered = [
        c
        for c in results.candidates
        if c.verdict and c.verdict.outcome in _OFFERED and _has_curves(c) and c.draft_tokens == drafts
    ]
    wanted = [asked for search in searches if (asked := _asked(search, offered))]
    if not wanted:
        return results
    on_progress(Progress(Step.CURVES, "estimating workers at other loads", finished=False))
    begun = time.monotonic()
    found: list[WorkerCurve] = []
    missing = []
    for event in pool.run(curves, wanted, _DEADLINE_S, math.inf):
        match event:
            case Answered(answer=estimated):
                found += estimated
            case Refused(item=asked, error=error, message=message):
                missing.append(f"{asked.search.backend}: {error}: {message}")
            case Lost(item=asked, reason=reason):
                missing.append(f"{asked.search.backend}: {reason}")
    state = f"{len(found)} workers"
    on_progress(Progress(Step.CURVES, state, finished=True, seconds=time.monotonic() - begun))
    notes = [
        ConfigurationWarning.note(f"Workers were not estimated at other loads, for the planner: {cause}")
        for cause in missing
    ]
    return results.model_copy(update={"curves": tuple(found), "warnings": (*results.warnings, *notes)})


def _has_curves(candidate: Candidate) -> bool:
    return candidate.mode is Mode.DISAGGREGATED and candidate.source is not Source.NAIVE


def _asked(search: Search, offered: Sequence[Candidate]) -> Asked | None:
    """Return what is wanted of one search's workers, each shape once."""
    of_it = [
        c for c in offered if (c.backend, c.mode, c.draft_tokens) == (search.backend, search.mode, search.draft_tokens)
    ]
    workers: dict[tuple[Role, Parallelism], None] = {
        (worker.role, worker.parallelism): None for candidate in of_it for worker in candidate.workers
    }
    if not of_it:
        return None
    # Of the lengths that come: the points of a curve that reaches to the model's own context lie too far apart.
    longest = min(_LONGEST_MEANS * (search.isl + search.osl), max(c.context_length for c in of_it))
    return Asked(search, tuple(workers), longest)
