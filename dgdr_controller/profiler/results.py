"""From candidates to `Results`: judged; or, where none of them can be deployed, a plan by memory fit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Outcome, Source, Verdict
from dgdr_api.estimates import EstimateErrors
from dgdr_api.measurements import SiteCorrection
from dgdr_api.request_warnings import ConfigurationWarning, RequestWarning
from dgdr_api.results import Provenance, Results
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes, unrenderable
from dgdr_controller.profiler.calibration import Calibration, with_chances
from dgdr_controller.profiler.errors import NotDeployableError
from dgdr_controller.profiler.model.resolve import Model
from dgdr_controller.profiler.naive import naive
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.selection.judge import Judgement, judge, warnings
from dgdr_controller.profiler.selection.notes import (
    by_limits,
    measured_notes,
    notes,
    out_of_reach,
    search_warnings,
    short_context,
    site_notes,
)
from dgdr_controller.profiler.selection.scaling import scale
from dgdr_controller.profiler.simulation.collect import Collected
from dgdr_controller.profiler.simulation.messages import Survey

_FITS = "the smallest engine that the model fits in"
_UNVERIFIED = "Nothing was simulated or measured: whether latency targets are met is unknown."
_BY_NAME = "The size of the weights is taken from the model's name: its layers differ from each other."
_BY_MEMORY = ("memory fit", "1")
_REASONS = 3
"""Candidates whose reason is told in the warning; all of them have theirs in the results."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and what is known of it.

    Attributes:
        request: What is wanted.
        model: The model.
        known: What the simulator knows.
        engines: Engines that load the model; the first one is used where nothing tells them apart.
        calibration: What estimates were corrected by; None: they are the simulator's own.
    """

    request: PlanRequest
    model: Model
    known: Survey
    engines: list[Backend]
    calibration: Calibration | None = None

    def errors(self, candidates: Iterable[Candidate]) -> EstimateErrors | None:
        """Return what was measured of the errors of candidates' estimates."""
        rows = {candidate.uncertainty.row for candidate in candidates if candidate.uncertainty}
        return self.calibration.errors(rows) if self.calibration and rows else None

    def rejection(self, candidate: Candidate) -> Verdict | None:
        """Say why a candidate cannot be deployed at all, or nothing if it can."""
        return _rejection(candidate, self.request, self.model)

    def site(self, candidates: Iterable[Candidate]) -> tuple[SiteCorrection, ...]:
        """Return what the site's measurements have changed of candidates' estimates."""
        kinds = {(c.backend, c.mode, c.draft_tokens) for c in candidates if c.uncertainty}
        found = self.calibration.site if self.calibration else ()
        return tuple(site for site in found if (site.backend, site.mode, site.draft_tokens) in kinds)


def answer(question: Question, found: Collected) -> Results:
    """Judge what was found.

    Raises:
        NotDeployableError: Nothing was found, and the model does not fit either.
    """
    request, model = question.request, question.model
    goal, budget = request.goal, request.total_gpus
    errors = question.errors(found.candidates)
    scaled = [with_chances(scale(candidate, goal, budget), goal, errors) for candidate in found.candidates]
    judgement = judge(scaled, goal, budget, question.rejection)
    if judgement.choice is None:
        return _by_memory(question, found, judgement.candidates)
    return _results(
        question,
        found,
        judgement.candidates,
        judgement.choice,
        pareto=tuple(c.id for c in judgement.pareto),
        warnings=[
            *([by_limits(request, model)] if question.known.limits else []),
            *warnings(judgement, goal, budget, request.gpu.sku),
            *out_of_reach(judgement, goal, budget),
        ],
        notes=(
            *site_notes(question.site(judgement.candidates), request.measurements.source),
            *notes(request, model, judgement, errors, measured=not question.known.limits),
        ),
    )


def answer_measured(question: Question, found: Collected, judgement: Judgement) -> Results:
    """Return the results of a thorough search.

    Args:
        question: What was asked.
        found: What the simulator has found.
        judgement: What was measured, and what was not, with a verdict each.
    """
    request = question.request
    goal, budget = request.goal, request.total_gpus
    results = _results(
        question,
        found,
        judgement.candidates,
        judgement.choice,
        pareto=tuple(c.id for c in judgement.pareto),
        warnings=warnings(judgement, goal, budget, request.gpu.sku),
        notes=tuple(measured_notes(request, judgement)),
    )
    return results.model_copy(update={"provenance": results.provenance.model_copy(update={"mode": "thorough"})})


def _rejection(candidate: Candidate, request: PlanRequest, model: Model) -> Verdict | None:
    """Say why a candidate cannot be deployed: its flags, or the memory of this GPU."""
    if reason := unrenderable(candidate, Nodes.of(request.hardware), model.facts, request.release):
        return Verdict(outcome=Outcome.NOT_RENDERABLE, reason=reason)
    wanted = request.options.context_length
    if wanted is not None and candidate.context_length < wanted:
        reason = f"its KV cache holds sequences of {candidate.context_length} tokens, not of {wanted}"
        return Verdict(outcome=Outcome.DOES_NOT_FIT, reason=reason)
    needed = max(worker.memory_gib or 0 for worker in candidate.workers)
    if needed > request.usable_gib:
        reason = f"needs {needed:.1f} GiB of each GPU, of which engines may use {request.usable_gib:.1f}"
        return Verdict(outcome=Outcome.DOES_NOT_FIT, reason=reason)
    return None


def _by_memory(question: Question, found: Collected, losers: list[Candidate]) -> Results:
    """Plan by memory fit, where the simulator has offered nothing that can be deployed."""
    model = question.model
    try:
        fitting = naive(question.request, model, question.engines[0])
    except NotDeployableError:
        if losers:  # each of them says why it cannot be had, which is more than that the model is too big
            return _results(question, found, losers, None)
        raise
    choice = fitting.model_copy(update={"verdict": Verdict(outcome=Outcome.SELECTED, reason=_FITS)})
    why = sorted({report.message for report in found.reports if report.message})
    why += sorted({f"{c.backend} {c.mode}: {c.verdict.reason}" for c in losers if c.verdict})[:_REASONS]
    return _results(
        question,
        found,
        [choice, *losers],
        choice,
        pareto=(choice.id,),
        warnings=[_by_memory_alone(model.name, losers, "; ".join(why))],
        notes=(*model.notes, *([_BY_NAME] if model.weights is None and model.config.mixed else []), _UNVERIFIED),
    )


def _by_memory_alone(model: str, losers: Sequence[Candidate], why: str) -> RequestWarning:
    """Say that the simulator had no estimates, or none of what can be deployed: these are two things."""
    if not losers:
        return ConfigurationWarning.not_simulated(model, why)
    return ConfigurationWarning.note(
        f"The search found no configuration that can be deployed ({why}). The deployment is planned by memory fit alone"
    )


def _results(  # noqa: PLR0913 - what results say, by name
    question: Question,
    found: Collected,
    candidates: list[Candidate],
    choice: Candidate | None,
    *,
    pareto: tuple[str, ...] = (),
    warnings: list[RequestWarning] | None = None,
    notes: tuple[str, ...] = (),
) -> Results:
    request, model, known = question.request, question.model, question.known
    simulated = choice is None or choice.source is not Source.NAIVE
    engine, version = (known.engine, known.engine_version) if simulated else _BY_MEMORY
    data = {str(report.backend): v for report in found.reports if (v := known.databases.get(report.backend))}
    return Results(
        request=request.identity,
        model=model.loaded_as,
        model_facts=model.facts,
        goal=request.goal,
        hardware=request.hardware,
        candidates=tuple(candidates),
        pareto=pareto,
        selected=choice.id if choice else None,
        warnings=(
            *request.warnings,
            *search_warnings(found.reports, model),
            *(warnings or ()),
            *short_context(choice, model, request.options),
        ),
        searches=tuple(found.reports),
        estimate_errors=question.errors(candidates),
        site_corrections=question.site(candidates),
        provenance=Provenance(
            engine=engine,
            engine_version=version,
            perf_database=data if simulated else {},
            mode="rapid" if simulated else "naive",
            notes=notes,
        ),
    )
