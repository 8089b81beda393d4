"""What a reader of the results should know: notes on the numbers, warnings about the search."""

from collections.abc import Iterable, Iterator

from dgdr_api.candidate import Candidate, Outcome, with_drafts
from dgdr_api.estimates import EstimateErrors
from dgdr_api.formatting import exact, milliseconds, significant
from dgdr_api.measurements import SiteCorrection
from dgdr_api.names import ANNOTATION_CONTEXT_LENGTH
from dgdr_api.options import SearchOptions
from dgdr_api.request_warnings import ConfigurationWarning, RequestWarning
from dgdr_api.results import Goal, Results, SearchOutcome, SearchReport
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.model.resolve import Model
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.selection.judge import Judgement
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.targets import meets_targets, missed_targets
from dgdr_controller.profiler.simulation.aic.limits import DENSE_ERROR_PERCENT, EXPERTS_ERROR_PERCENT
from dgdr_controller.profiler.simulation.speculation import accepted

_TTFT = "TTFT is an optimistic estimate: against AIC's own measured samples its median error is −41 %."
_ITL = "ITL is within 20 % of those samples in 56 % of cases."
_LIMITS = (
    "Numbers are computed from the bandwidth and peak rate of {sku}, corrected by how far engines stay below them on "
    "GPUs that AIC has measured data for."
)
_TTFT_BY_LIMITS = "TTFT is an optimistic estimate, as it is where AIC has measured data."
_SAME_LIMITS = "The limits are the same for every engine: only the way they schedule requests sets their numbers apart."
_CORRECTED = (
    "Estimates are medians, corrected by {points} public measurements of {families} model families; a range holds the "
    "truth in 80 % of cases."
)
_SITE = (
    "Estimates of {kind} are corrected by {measurements} ({source}): TTFT × {ttft}, ITL × {itl}, tokens/s/GPU × "
    "{throughput}. Their ranges are as wide as without."
)
_POOLED = "Too few models were measured with {kinds}: the ranges are those of all engines, and may not hold for them."
_OTHER_GPU = "None of the measurements is of {sku}: the true ranges are wider."
_WIDER = "The ranges are those of GPUs with measured data; the true ones are wider."
_ENGINES = "TTFT is modelled differently for each engine: differences in TTFT between engines say little."
_MUCH_BETTER = 1.1
_EXPERTS = "AIC's data for mixtures of experts are uneven between engines; vLLM's are the lowest."
_LAUNCHES = (
    "AIC's times of experts on this GPU with vLLM seem to include launches of kernels, which engines avoid: measured, "
    "vLLM was 2 to 3 times faster. It is likely better than its estimates."
)
_BLACKWELL = 10
"""Compute capability, major number."""


def by_limits(request: PlanRequest, model: Model) -> RequestWarning:
    """Say that the numbers rest on no measured data of this GPU."""
    percent = EXPERTS_ERROR_PERCENT if model.config.experts else DENSE_ERROR_PERCENT
    return ConfigurationWarning.note(
        f"AIC has no measured data for {request.gpu.sku}: the numbers are computed from the GPU's limits and may be "
        f"off by {percent} % beyond the usual error of estimates"
    )


def notes(
    request: PlanRequest, model: Model, judgement: Judgement, errors: EstimateErrors | None, *, measured: bool
) -> Iterator[str]:
    """Yield the notes on the numbers; docs/explanation/what-estimates-are-worth.md says what they rest on."""
    if not measured:
        yield _LIMITS.format(sku=request.gpu.sku)
    yield from _errors(request, judgement, errors, measured=measured)
    if request.backend is Backend.AUTO and errors is None:
        yield _ENGINES
    if request.backend is Backend.AUTO and not measured:
        yield _SAME_LIMITS
    yield from model.notes
    if model.config.experts and measured:
        yield _LAUNCHES if _slow_launches(request, judgement) else _EXPERTS
    choice = judgement.choice
    if choice is None:
        return
    for missed in missed_targets(choice, judgement.deployable, request.goal, explicit=False):
        default, reached = exact(missed.target), milliseconds(missed.reached)
        yield f"The default target {missed.name}={default}ms is not met: {reached}."
    if choice.draft_tokens:
        yield (
            f"Speculative decoding: the estimate assumes that {accepted(choice.draft_tokens):.2g} of "
            f"{choice.draft_tokens} drafted tokens are accepted in each step, which depends on the text"
            f"{' and is not in the ranges' if errors else ''}."
        )
    idle = request.total_gpus - choice.gpus
    loaded = request.goal.concurrency is not None or request.goal.request_rate is not None
    if idle and not loaded and not request.goal.autoscale:
        yield f"{idle} of {request.total_gpus} GPUs stay idle; tokens/s were compared for the whole budget."


def measured_notes(request: PlanRequest, judgement: Judgement) -> Iterator[str]:
    """Yield what the measured numbers rest on."""
    measured = [candidate for candidate in judgement.candidates if candidate.samples]
    requests = sum(candidate.samples.requests for candidate in measured if candidate.samples)
    yield (
        f"{len(measured)} operating points were measured with {requests} requests of {request.goal.isl} input and "
        f"{request.goal.osl} output tokens; the prompts share nothing. What was not measured is listed with estimates."
    )
    choice = judgement.choice
    if choice is not None and choice.replicas > 1:
        yield f"One replica was measured; {choice.replicas} are taken to serve {choice.replicas} times as much."


def _slow_launches(request: PlanRequest, judgement: Judgement) -> bool:
    """Say whether candidates are of vLLM on Blackwell, of which AIC 0.12 has such times for experts in FP8 and FP4."""
    blackwell = request.gpu.capability is not None and request.gpu.capability[0] == _BLACKWELL
    return blackwell and any(candidate.backend is Backend.VLLM for candidate in judgement.candidates)


def _errors(
    request: PlanRequest, judgement: Judgement, errors: EstimateErrors | None, *, measured: bool
) -> Iterator[str]:
    """Say how far the numbers may be off."""
    if errors is None:
        yield from (_TTFT, _ITL) if measured else (_TTFT_BY_LIMITS,)
        return
    yield _CORRECTED.format(points=errors.points, families=errors.families)
    if not measured:
        yield _WIDER
    elif request.gpu.aic_system not in errors.systems:
        yield _OTHER_GPU.format(sku=request.gpu.sku)
    kinds = dict.fromkeys(
        f"{candidate.backend} {candidate.mode}"
        for candidate in judgement.candidates
        if candidate.uncertainty and errors.rows[candidate.uncertainty.row].pooled
    )
    if kinds:
        yield _POOLED.format(kinds=" and ".join(kinds))


def site_notes(corrections: Iterable[SiteCorrection], source: str) -> Iterator[str]:
    """Say what a site's own measurements have changed.

    Args:
        corrections: Those of the engines and modes that there are candidates of.
        source: Where the measurements are from.
    """
    for site in corrections:
        yield _SITE.format(
            kind=with_drafts(f"{site.backend} {site.mode}", site.draft_tokens),
            measurements=site.title,
            source=source,
            ttft=significant(site.ttft),
            itl=significant(site.itl),
            throughput=significant(site.tokens_per_s_per_gpu),
        )


def out_of_reach(judgement: Judgement, goal: Goal, budget: int) -> Iterator[RequestWarning]:
    """Yield a warning where much better could be had from what engines can do and we do not render."""
    choice = judgement.choice
    unrendered = [
        candidate
        for candidate in judgement.candidates
        if candidate.verdict and candidate.verdict.outcome is Outcome.NOT_RENDERABLE and meets_targets(candidate, goal)
    ]
    if choice is None or not unrendered:
        return

    def throughput(candidate: Candidate) -> float:
        return Criteria.of(candidate, goal, budget).tokens_per_s_per_gpu

    best = max(unrendered, key=throughput)
    ratio = throughput(best) / throughput(choice)
    if ratio >= _MUCH_BETTER and best.verdict:
        yield ConfigurationWarning.note(
            f"{best.backend} {best.mode}, {best.shape}, is estimated to serve {significant(ratio, digits=2)} times the "
            f"tokens/s within the targets, but cannot be deployed: {best.verdict.reason}"
        )


def short_context(choice: Candidate | None, model: Model, options: SearchOptions) -> Iterator[RequestWarning]:
    """Yield a warning where engines refuse requests that the model would take, and nobody asked for that."""
    if choice is not None and options.context_length is None and choice.context_length < model.config.context:
        yield ConfigurationWarning.note(
            f"Engines refuse requests of more than {choice.context_length} tokens, prompt and output together: the KV "
            f"cache has no room for the {model.config.context} of {model.name} beside the planned load. For longer "
            f"requests set annotation {ANNOTATION_CONTEXT_LENGTH} (dgdr plan --context-length)"
        )


def search_warnings(reports: Iterable[SearchReport], model: Model) -> Iterator[RequestWarning]:
    """Yield a warning for each search that failed, and what was found out about the model that somebody should mend."""
    for report in reports:
        if report.outcome is SearchOutcome.FAILED:
            yield ConfigurationWarning.note(
                f"The search of {report.title} failed ({report.message}): "
                "better configurations may have been missed. Run it again to include them"
            )
    yield from map(ConfigurationWarning.note, model.warnings)


def nothing_deployable(results: Results) -> str:
    """Say why nothing can be deployed: the reasons of candidates, or of the searches where there were none."""
    reasons = {f"{c.backend} {c.mode}: {c.verdict.reason}" for c in results.candidates if c.verdict}
    if not reasons:
        reasons = {f"{s.title}: {s.message}" for s in results.searches}
    hardware = results.hardware
    listed = "\n".join(f"  {reason}" for reason in sorted(reasons))
    cluster_gpus = f"{hardware.total_gpus.value} × {hardware.gpu_sku}"
    return f"no configuration of {results.model} can be deployed on {cluster_gpus}:\n{listed}"
