"""From a published result to a deployment that is written: which candidate, its objects, and what is said of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from dgdr_api.candidate import Candidate
from dgdr_api.conditions import DeploymentReady, Profiling, ProfilingComplete, SpecGenerated, of_warning
from dgdr_api.defaults import effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.figures import figures
from dgdr_api.names import ANNOTATION_DEPLOY, ANNOTATION_GENERATED, RECOMMENDED
from dgdr_api.options import runs_its_image
from dgdr_api.preserved import as_far_as_known
from dgdr_api.request_warnings import ConfigurationWarning, RequestWarning, SLAWarning
from dgdr_api.results import Goal, Results
from dgdr_api.v1beta1 import Phase, ProfilingResults
from dgdr_controller.deployment.compose import Composed
from dgdr_controller.deployment.render.planner import CURVE_FILES
from dgdr_controller.deployment.render.planner_config import holds_latencies, prometheus_of
from dgdr_controller.manifest import Manifest, dump_documents
from dgdr_controller.profiling_job.builder import owner_reference
from dgdr_controller.profiling_job.output import File, Output, files
from dgdr_controller.profiling_job.protocol import FINAL_CONFIG
from dgdr_controller.reconciler import profiling_run
from dgdr_controller.reconciler.composition import composed, composed_adopted
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, WriteMode, enter
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.profiling_results import adopted_results, profiling_results, shortened

_ANNOTATIONS = 252 * 1024
"""Bytes of all annotations of the request with the deployment; Kubernetes allows 256 KiB, and others may come."""
_TOO_LARGE = (
    f"The deployment does not fit into annotation {ANNOTATION_GENERATED} (an object's annotations may have 256 KiB); "
    "take it from status.profilingResults.selectedConfig"
)
_NO_CANDIDATE = (
    "the published results have no deployable candidate; set annotation dgdr.nvidia.com/retry to a new value, and use "
    "images of the controller and the profiler of one version"
)


def generate(observed: ObservedState, output: Output) -> Decision:
    """Write the deployment of the chosen candidate into the status, and go on as autoApply says."""
    try:
        if output.is_deployment:
            return _adopt(observed, output)
        results = output.results()
    except ValueError as error:
        return _fail(observed, str(error))
    asked, choice = wanted(observed, results), results.choice
    if choice is None:
        return _fail(observed, _NO_CANDIDATE)
    # One that is asked for and cannot be had is not answered with another one: Ready says so.
    applies = asked is not None if observed.annotation(ANNOTATION_DEPLOY) else observed.request.spec.auto_apply
    try:
        choice, made = composed(observed, [asked] if asked else [choice, *_offered(results)], results)
    except InvalidRequestError as error:
        return _fail(observed, "; ".join(map(str, error.errors)))
    return _written(
        observed,
        output,
        _Made(
            made,
            profiling_results(observed, choice, results, made),
            _sentence(choice, results.goal),
            _merged(results.warnings, [*made.notes, *_about_prometheus(observed)]),
            len(results.candidates),
        ),
        applies=applies,
    )


def _adopt(observed: ObservedState, output: Output) -> Decision:
    """Write the deployment that another profiler made; there is nothing else to choose from.

    Raises:
        ValueError: It cannot be unpacked.
    """
    if not runs_its_image(observed.request.metadata.annotations):  # whoever may write the ConfigMap can write anything
        return _fail(observed, f"{FINAL_CONFIG} was published, though the request does not have its image profile")
    text = output.deployment()
    try:
        gpus, made = composed_adopted(observed, text)
    except InvalidRequestError as error:
        return _fail(observed, f"{FINAL_CONFIG}: {'; '.join(map(str, error.errors))}")
    choice = f"{observed.request.spec.image} made a deployment of {gpus} GPUs and gives no estimates of it"
    applies = observed.annotation(ANNOTATION_DEPLOY) == RECOMMENDED or observed.request.spec.auto_apply
    warnings = _merged((), [*made.notes, *_about_prometheus(observed)])
    return _written(observed, output, _Made(made, adopted_results(observed, made), choice, warnings), applies=applies)


class _Made(NamedTuple):
    """What profiling came to.

    Attributes:
        deployment: The deployment.
        results: What the status shows of the results.
        choice: What was chosen, in a sentence.
        warnings: What its user should know.
        candidates: How many candidates there are; None: the profiler does not tell.
    """

    deployment: Composed
    results: ProfilingResults
    choice: str
    warnings: Sequence[RequestWarning]
    candidates: int | None = None


def _written(observed: ObservedState, output: Output, what: _Made, *, applies: bool) -> Decision:
    """Write a deployment into the status, and go on."""
    made = what.deployment
    exported = dump_documents(made.documents)
    too_large = [] if len(exported.encode()) <= _room(observed) else [_TOO_LARGE]
    warnings = [of_warning(warning) for warning in _merged(what.warnings, too_large)]
    available = SpecGenerated.available_in_status() if too_large else SpecGenerated.available()
    generated = SpecGenerated.applied() if applies else available
    status = enter(
        observed,
        Phase.DEPLOYING if applies else Phase.READY,
        *(Profiling.completed(), ProfilingComplete.done(what.choice), generated, *warnings),
        profiling_phase=None,
        profiling_progress=None,
        dgd_name=made.graph["metadata"]["name"],
        deployment_info=None,  # of one that was made by hand before; what is asked for now is made
        profiling_results=what.results,
        generated_deployment=made.graph if _is_of_v1alpha1(observed) else None,
    )
    return Decision(
        shortened(status),
        ensure=[*_objects(observed, made), *_export(observed, made, output)],
        annotations={ANNOTATION_GENERATED: None if too_large else exported},
        events=[
            Event("SpecGenerated", generated.message),
            *(Event(warning.type, warning.message, warning=True) for warning in warnings),
        ],
        after_s=0.0,
        candidates=what.candidates,
    )


def _room(observed: ObservedState) -> int:
    """Return the bytes that the annotation with the deployment may have beside the others, which kubectl adds to."""
    annotations = observed.request.metadata.annotations or {}
    others = (name + value for name, value in annotations.items() if name != ANNOTATION_GENERATED)
    return _ANNOTATIONS - len(ANNOTATION_GENERATED) - sum(len(other.encode()) for other in others)


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
    return (candidate for candidate in results.candidates if candidate.is_offered)


def _about_prometheus(observed: ObservedState) -> Iterator[str]:
    """Say where the planner would wait for metrics in vain."""
    spec = observed.request.spec
    if observed.prometheus is False and holds_latencies(spec, effective(observed.request)):
        yield (
            f"The planner needs metrics from {prometheus_of(spec, observed.settings)}, which does not resolve in this "
            "cluster: install Prometheus there, or set spec.features.planner.metric_pulling_prometheus_endpoint"
        )


def _merged(warned: Sequence[RequestWarning], notes: Sequence[str]) -> list[RequestWarning]:
    """Return one warning of each type: conditions have one place for each."""
    warnings = [*warned, *map(ConfigurationWarning.note, notes)]
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


def _export(observed: ObservedState, made: Composed, output: Output) -> Iterator[Ensure]:
    """Put what was made into the output's ConfigMap, for people and tools: the deployment, the planner's curves."""
    run = profiling_run.current(observed)
    if run is None or observed.output_map is None:
        return
    annotation = f"annotation {ANNOTATION_GENERATED} of the request"
    wanted = [
        File(FINAL_CONFIG, dump_documents(made.documents), annotation),
        *(
            File(name, text, f"ConfigMap {config_map['metadata']['name']}")
            for config_map in made.config_maps
            for name, text in (config_map.get("data") or {}).items()
            if name in CURVE_FILES.values()
        ),
    ]
    written = profiling_run.output_map(observed, run, profiling_run.seen_jobs(observed))
    yield replace(written, manifest=written.manifest | {"data": files(wanted, output.packed or "")})


def _owned(observed: ObservedState, config_map: Manifest) -> Manifest:
    """Let a ConfigMap go with the request; once the deployment is there, with that."""
    metadata = config_map["metadata"] | {"ownerReferences": [owner_reference(observed.request)]}
    return config_map | {"metadata": metadata}


def _sentence(choice: Candidate, goal: Goal) -> str:
    """Say what was chosen, what it delivers, and why."""
    reason = choice.verdict.reason if choice.verdict else ""
    return f"{_estimate(choice, goal)}{f'. {reason[0].upper()}{reason[1:]}' if reason else ''}"


def _estimate(choice: Candidate, goal: Goal) -> str:
    subject = f"{choice.backend} {choice.mode}, {choice.shape}"
    if choice.performance is None:
        return f"{subject}: it fits; its performance is unknown ({choice.source})"
    return f"{subject}: {figures(choice, goal)} ({choice.source})"


def _fail(observed: ObservedState, message: str) -> Decision:
    return Decision(
        enter(observed, Phase.FAILED, Profiling.completed(), SpecGenerated.failed(message)),
        events=[Event("GenerationFailed", message, warning=True)],
    )
