"""The rapid search: AIC's estimates for every engine and mode, judged by us.

survey → model → search plan → searches in worker processes → rows → candidates → answer
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dgdr_api.results import Results, SearchOutcome
from dgdr_controller.profiler.calibration import Calibration, CalibrationError, Estimated, site_corrections
from dgdr_controller.profiler.errors import InterruptedRunError, OutOfMemoryError, ProfilerError
from dgdr_controller.profiler.model.access import AccessCheck
from dgdr_controller.profiler.model.hub import HUB, Hub
from dgdr_controller.profiler.model.resolve import Model, find_model
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.results import Question, answer
from dgdr_controller.profiler.simulation.aic import survey as aic
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.collect import (
    Collected,
    Pool,
    Progress,
    ProgressCallback,
    Step,
    collect,
)
from dgdr_controller.profiler.simulation.memory_limit import MemoryLimit
from dgdr_controller.profiler.simulation.messages import Search, Survey
from dgdr_controller.profiler.simulation.planner_curves import with_curves
from dgdr_controller.profiler.simulation.rows import Facts
from dgdr_controller.profiler.simulation.search_plan import instead, plan_searches
from dgdr_controller.profiler.simulation.worker_pool import Answered, Lost, Refused, WorkerPool

SEARCH_DEADLINE_S = 180.0
"""Seconds for one engine and mode; dense models take 5 to 15, mixtures of experts up to 160 on two cores."""

_SURVEY_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Estimates:
    """What the simulator has found.

    Attributes:
        question: What was asked, and what is known of it.
        found: Candidates of one replica each, and what became of each search.
        searches: What was searched.
    """

    question: Question
    found: Collected
    searches: Sequence[Search]


def rapid(
    request: PlanRequest,
    on_progress: ProgressCallback,
    deadline_s: float = SEARCH_DEADLINE_S,
    until: float = math.inf,
    pool: Pool | None = None,
    hub: Hub = HUB,
) -> Results:
    """Search and judge.

    Args:
        request: What is wanted.
        on_progress: Is told each step.
        deadline_s: Seconds that the search of one engine and mode may take.
        until: Monotonic time at which all searches must have ended; what they have found by then is judged.
        pool: Runs the searches; by default each in a worker process.
        hub: Is asked about the model.

    Returns:
        Results with a choice, or without one where no candidate can be deployed (every one says why).

    Raises:
        ProfilerError: As `estimate` does.
        NotDeployableError: It does not fit, or we cannot render it.
    """
    pool = pool or WorkerPool(preload=PRELOAD)
    estimated = estimate(request, on_progress, deadline_s, until, pool, hub)
    results = _selected(estimated, on_progress)
    return with_curves(results, estimated.searches, pool, on_progress) if request.goal.autoscale else results


def estimate(
    request: PlanRequest,
    on_progress: ProgressCallback,
    deadline_s: float,
    until: float,
    pool: Pool,
    hub: Hub = HUB,
) -> Estimates:
    """Have the simulator estimate every engine and mode; arguments as `rapid` has them.

    Raises:
        RequestRefusedError: The request names something that cannot be.
        InterruptedRunError: Searches failed and the others found nothing: another run may.
        ProfilerError: The simulator itself does not work.
    """
    with tempfile.TemporaryDirectory(prefix="dgdr-") as scratch:
        on_progress(Progress(Step.SURVEY, "loading the simulator", finished=False))
        begun = time.monotonic()
        model, known = find_model(
            request.model, request.cache, partial(_survey, pool, request), Path(scratch), hub.download
        )
        downloads = request.cache is None or model.in_cache is False
        check = AccessCheck(model.loaded_as, hub.refusal if downloads else _known_to_be_there)
        model, calibration = _calibrated(request, model, known)
        searched = plan_searches(request, model, known, calibration)
        ready, seconds = f"{known.engine} {known.engine_version}", time.monotonic() - begun
        on_progress(Progress(Step.SURVEY, ready, finished=True, seconds=seconds, total=len(searched.searches)))
        facts = Facts(model.config, known.estimable, request.vram_mib)
        found = collect(pool, searched.searches, facts, on_progress, deadline_s, until)
        if not found.candidates and request.planner_holds_latencies:
            others = collect(pool, instead(searched), facts, on_progress, deadline_s, until)
            found = Collected(others.candidates, [*found.reports, *others.reports])
    failed = [report for report in found.reports if report.outcome is SearchOutcome.FAILED]
    if failed and not found.candidates:
        reasons = "; ".join(f"{report.title}: {report.message}" for report in failed)
        raise _interrupted(f"no search succeeded: {reasons}")
    if check.refusal is not None:
        model = replace(model, warnings=(*model.warnings, f"Engines could not download the model: {check.refusal}"))
    question = Question(request, model, known, searched.engines, calibration)
    reports = [*found.reports, *searched.left_out]
    return Estimates(question, Collected(found.candidates, reports), searched.searches)


def _selected(estimated: Estimates, on_progress: ProgressCallback) -> Results:
    """Judge what was found, and say so."""
    state = f"judging {len(estimated.found.candidates)} candidates"
    on_progress(Progress(Step.SELECTION, state, finished=False))
    begun = time.monotonic()
    results = answer(estimated.question, estimated.found)
    on_progress(Progress(Step.SELECTION, summary(results), finished=True, seconds=time.monotonic() - begun))
    return results


def summary(results: Results) -> str:
    """Say what was found, in a few words."""
    return f"{len(results.candidates)} candidates, {len(results.pareto)} on the Pareto front"


def _calibrated(request: PlanRequest, model: Model, known: Survey) -> tuple[Model, Calibration | None]:
    """Return the corrections for the simulator; None, with a warning, where they are for another one.

    A site's measurements add to them; those that do not fit these estimates are named in a warning.
    """
    try:
        calibration = Calibration.load()
        calibration.check(known.engine, known.engine_version)
    except CalibrationError as error:
        return replace(model, warnings=(*model.warnings, f"Estimates are not corrected by measurements: {error}")), None
    estimated = Estimated(
        model=request.model,
        gpu_sku=request.gpu.sku,
        engine=known.engine,
        engine_version=known.engine_version,
        table=calibration.digest,
        versions=known.estimable,
    )
    corrections, unused = site_corrections(request.measurements, estimated)
    warnings = (*model.warnings, *([unused] if unused else []))
    return replace(model, warnings=warnings), calibration.with_site(corrections)


def _known_to_be_there(_: str) -> None:
    """Ask nobody: engines load the model from the model cache."""


def _survey(pool: Pool, request: PlanRequest, folder: Path | None) -> Survey:
    for event in pool.run(survey, [(request.model, folder, request.gpu.aic_system)], _SURVEY_DEADLINE_S, math.inf):
        match event:
            case Answered(answer=known):
                return known
            case Refused(error="ModuleNotFoundError", message=message):
                raise ProfilerError(
                    f"the simulator is not installed ({message}): pip install 'dgdr-controller[profiler]'"
                )
            case Refused(error=error, message=message):
                raise ProfilerError(f"the simulator cannot be used: {error}: {message}")
            case Lost(reason=reason):
                raise _interrupted(f"the simulator did not start: {reason}")
    raise ProfilerError("the simulator gave no answer")


def _interrupted(message: str) -> ProfilerError:
    """Return the error of a run that another one may complete, unless it had too little memory."""
    exceeded = MemoryLimit.read().exceeded
    return OutOfMemoryError(exceeded) if exceeded else InterruptedRunError(message)


def survey(asked: tuple[str, Path | None, str | None]) -> Survey:
    """Run in a worker: what AIC knows of a model and a system."""
    return aic.survey(*asked)
