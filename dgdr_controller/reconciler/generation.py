"""From a published result to a deployment that is written: which candidate, its object, what the status shows of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from dgdr_api.candidate import Candidate, Outcome, Source
from dgdr_api.conditions import (
    ConfigurationWarning,
    DeploymentReady,
    Profiling,
    ProfilingComplete,
    RequestWarning,
    SLAWarning,
    SpecGenerated,
    of_warning,
)
from dgdr_api.defaults import effective
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.formatting import significant
from dgdr_api.names import ANNOTATION_DEPLOY, ANNOTATION_GENERATED
from dgdr_api.preserved import as_far_as_known, preserved
from dgdr_api.v1beta1 import DgdrStatus, ParetoItem, Phase, ProfilingResults, Provenance
from dgdr_api.v1beta1.status import MAX_PARETO
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.deployment.compose import Composed, compose_first
from dgdr_controller.deployment.conversion.versions import to_v1alpha1
from dgdr_controller.deployment.render import GraphRequest
from dgdr_controller.deployment.render.planner_config import holds_latencies, prometheus_of
from dgdr_controller.kinds import GRAPHS_V1ALPHA1
from dgdr_controller.manifest import Manifest, dump_documents
from dgdr_controller.profiling_job.builder import owner_reference
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.profiling_job.protocol import Results
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, WriteMode, enter
from dgdr_controller.reconciler.observed_state import ObservedState

_SOURCES: dict[Source, Literal["measured", "naive"]] = {Source.MEASURED: "measured", Source.NAIVE: "naive"}
_NUMBERS = {
    "throughput": "tokens_per_s",
    "throughput_per_gpu": "tokens_per_s_per_gpu",
    "ttft": "ttft",
    "itl": "itl",
    "concurrency": "concurrency",
}
"""Fields of a point in the status, and what they are called in a candidate's performance."""
_STATUS_BYTES = 12 * 1024
"""So that ``kubectl describe`` stays readable: a configuration takes 3 KiB and a hundred lines of it."""
RECOMMENDED = "recommended"
_NO_CANDIDATE = (
    "the published results have no deployable candidate; set annotation dgdr.nvidia.com/retry to a new value, and use "
    "images of the controller and the profiler of one version"
)
_NOT_OFFERED = (Outcome.DOES_NOT_FIT, Outcome.OVER_BUDGET, Outcome.NOT_RENDERABLE)


def generate(observed: ObservedState, output: Output) -> Decision:
    """Write the deployment of the chosen candidate into the status, and go on as autoApply says."""
    try:
        results = output.results()
    except ValueError as error:
        return _fail(observed, str(error))
    asked, choice = wanted(observed, results), results.choice
    if choice is None:
        return _fail(observed, _NO_CANDIDATE)
    # One that is asked for and cannot be had is not answered with another one: Ready says so.
    applies = asked is not None if observed.annotation(ANNOTATION_DEPLOY) else observed.request.spec.auto_apply
    try:
        choice, made = _composed(observed, [asked] if asked else [choice, *_offered(results)], results)
    except InvalidRequestError as error:
        return _fail(observed, "; ".join(map(str, error.errors)))
    warnings = [of_warning(warning) for warning in _merged(results, [*made.notes, *_about_prometheus(observed)])]
    generated = SpecGenerated.applied() if applies else SpecGenerated.available()
    done = ProfilingComplete.done(_sentence(choice))
    status = enter(
        observed,
        Phase.DEPLOYING if applies else Phase.READY,
        *(Profiling.completed(), done, generated, *warnings),
        profiling_phase=None,
        profiling_progress=None,
        dgd_name=made.graph["metadata"]["name"],
        deployment_info=None,  # of one that was made by hand before; what is asked for now is made
        profiling_results=_results(observed, choice, results, made),
        generated_deployment=made.graph if _is_of_v1alpha1(observed) else None,
    )
    return Decision(
        shortened(status),
        ensure=_objects(observed, made),
        annotations={ANNOTATION_GENERATED: dump_documents(made.documents)},
        events=[
            Event("SpecGenerated", generated.message),
            *(Event(warning.type, warning.message, warning=True) for warning in warnings),
        ],
        after_s=0.0,
    )


def _is_of_v1alpha1(observed: ObservedState) -> bool:
    """Say whether scripts of that version may look for the deployment: kubectl shows them v1beta1's status."""
    return as_far_as_known(observed.request.metadata.annotations).from_v1alpha1


def wanted(observed: ObservedState, results: Results) -> Candidate | None:
    """Return the candidate that the annotation asks for; None when it asks for none, or for one that cannot be had."""
    asked = observed.annotation(ANNOTATION_DEPLOY)
    if asked == RECOMMENDED:
        return results.choice
    return next((candidate for candidate in _offered(results) if candidate.id == asked), None)


def _offered(results: Results) -> Iterator[Candidate]:
    """Yield the candidates that can be deployed, the best one first."""
    return (
        candidate
        for candidate in results.candidates
        if candidate.verdict is None or candidate.verdict.outcome not in _NOT_OFFERED
    )


def _composed(observed: ObservedState, candidates: Iterable[Candidate], results: Results) -> tuple[Candidate, Composed]:
    """Compose the deployment of the first candidate that can be, in the version that the cluster serves.

    Raises:
        InvalidRequestError: What the user wants cannot be laid over it, or said in that version.
    """
    asked = observed.request.metadata
    kept = preserved(asked.annotations)
    if kept.base is not None and observed.base is None:
        detail = "does not exist any more; it holds the deployment that the plan is merged into"
        raise InvalidRequestError([FieldError("spec.profilingConfig.configMapRef", f'"{kept.base.name}"', detail)])
    request = GraphRequest(
        asked.name,
        asked.namespace,
        asked.uid,
        observed.request.spec,
        results.model,
        results.hardware,
        results.curves,
        kept,
        read_base(observed.base) if observed.base is not None else None,
    )
    candidate, made = compose_first(candidates, request, observed.settings)
    return candidate, replace(made, graph=to_v1alpha1(made.graph)) if observed.graphs == GRAPHS_V1ALPHA1 else made


def _about_prometheus(observed: ObservedState) -> Iterator[str]:
    """Say where the planner would wait for metrics in vain."""
    spec = observed.request.spec
    if observed.prometheus is False and holds_latencies(spec, effective(observed.request)):
        yield (
            f"The planner needs metrics from {prometheus_of(spec, observed.settings)}, which does not resolve in this "
            "cluster: install Prometheus there, or set spec.features.planner.metric_pulling_prometheus_endpoint"
        )


def _merged(results: Results, notes: Sequence[str]) -> list[RequestWarning]:
    """Return one warning of each type: conditions have one place for each."""
    warnings = [*results.warnings, *map(ConfigurationWarning.note, notes)]
    by_type = {
        type_: [w.message for w in warnings if w.type == type_]
        for type_ in (SLAWarning.TYPE, ConfigurationWarning.TYPE)
    }
    return [warnings[0].model_copy(update={"type": t, "message": "; ".join(m)}) for t, m in by_type.items() if m]


def _objects(observed: ObservedState, made: Composed) -> list[Ensure]:
    """Return what is to exist before the status says so; the deployment itself is only tried, where it can be."""
    tried = [Ensure(made.graph, WriteMode.DRY_RUN, condition=DeploymentReady)] if observed.graphs_known else []
    return [
        *tried,
        *(
            Ensure(_owned(observed, config_map), WriteMode.APPLY, condition=DeploymentReady)
            for config_map in made.config_maps
        ),
    ]


def _owned(observed: ObservedState, config_map: Manifest) -> Manifest:
    """Let a ConfigMap go with the request; once the deployment is there, with that."""
    metadata = config_map["metadata"] | {"ownerReferences": [owner_reference(observed.request)]}
    return config_map | {"metadata": metadata}


def _results(observed: ObservedState, choice: Candidate, results: Results, made: Composed) -> ProfilingResults:
    before = observed.status.profiling_results
    front = [c for c in results.candidates if c.id in results.pareto and c.id != choice.id]
    shown = [choice, *front][:MAX_PARETO]
    provenance = results.provenance
    return ProfilingResults(
        selected_config=made.graph,
        pareto=tuple(_point(observed, candidate, results) for candidate in shown),
        start_time=before.start_time if before else None,
        completion_time=(before.completion_time if before else None) or observed.now,
        provenance=Provenance(
            engine=provenance.engine,
            engine_version=provenance.engine_version,
            perf_database=provenance.perf_database,
            mode=provenance.mode,
            notes=provenance.notes,
        ),
    )


def _point(observed: ObservedState, candidate: Candidate, results: Results) -> ParetoItem:
    performance = candidate.performance
    numbers: dict[str, Any] = {}
    if performance is not None:
        numbers = {name: _rounded(getattr(performance, of)) for name, of in _NUMBERS.items()}
        numbers["meets_sla"] = results.goal.is_met_by(performance)
    return ParetoItem(
        id=candidate.id,
        config=_configuration(observed, candidate, results),
        backend=candidate.backend,
        mode=candidate.mode.value,
        parallelization=candidate.shape,
        gpus=candidate.gpus,
        source=_SOURCES.get(candidate.source, "estimated"),
        **numbers,
    )


def _configuration(observed: ObservedState, candidate: Candidate, results: Results) -> Manifest | None:
    """Return the deployment of a candidate; None where it cannot be applied as it is.

    That is where the user's overrides are not for it, or it mounts what is made for the chosen one alone.
    """
    try:
        _, made = _composed(observed, [candidate], results)
    except InvalidRequestError:
        return None
    return None if made.config_maps else made.graph


def _rounded(value: float) -> float:
    """Round to no more digits than estimates carry."""
    return float(significant(value))


def _sentence(choice: Candidate) -> str:
    performance = choice.performance
    if performance is None:
        return f"{choice.backend} {choice.mode}, {choice.shape}: it fits; its performance is unknown ({choice.source})"
    return (
        f"{choice.backend} {choice.mode}, {choice.shape}: {significant(performance.tokens_per_s_per_gpu)} tokens/s/GPU "
        f"at TTFT {significant(performance.ttft)} ms, ITL {significant(performance.itl)} ms ({choice.source})"
    )


def shortened(status: DgdrStatus) -> DgdrStatus:
    """Leave configurations out, the least interesting first, until the status is short enough."""
    results = status.profiling_results
    while results and results.pareto and _bytes(status) > _STATUS_BYTES:
        points = list(results.pareto)
        last = next((index for index in range(len(points) - 1, -1, -1) if points[index].config), None)
        if last is None:
            return status
        points[last] = points[last].model_copy(update={"config": None})
        results = results.model_copy(update={"pareto": tuple(points)})
        status = status.model_copy(update={"profiling_results": results})
    return status


def _bytes(status: DgdrStatus) -> int:
    return len(status.model_dump_json(exclude_none=True).encode())


def _fail(observed: ObservedState, message: str) -> Decision:
    return Decision(
        enter(observed, Phase.FAILED, Profiling.completed(), SpecGenerated.failed(message)),
        events=[Event("GenerationFailed", message, warning=True)],
    )
