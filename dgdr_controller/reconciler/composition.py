"""Deployments of a request in the version that its cluster serves: of a candidate, of a trial, of another profiler."""

from collections.abc import Iterable
from dataclasses import replace

from dgdr_api.candidate import Candidate
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.names import ANNOTATION_GPUS, LABEL_TRIAL, trial_name
from dgdr_api.preserved import as_far_as_known, preserved
from dgdr_api.results import Results
from dgdr_api.trials import TrialLog
from dgdr_api.v1beta1 import Backend, Features, Overrides
from dgdr_controller.deployment.compose import Composed, compose_adopted, compose_first
from dgdr_controller.deployment.conversion.versions import to_v1alpha1
from dgdr_controller.deployment.for_request import base_of, compose_for_request, graph_request, profiled_model
from dgdr_controller.deployment.quantities import gpus_of
from dgdr_controller.deployment.render.images import runtime_version
from dgdr_controller.deployment.render.planner import PLANNER
from dgdr_controller.deployment.runtime_version import filled_in
from dgdr_controller.hardware.status import used
from dgdr_controller.kinds import GRAPHS_V1ALPHA1
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job.builder import owner_reference
from dgdr_controller.reconciler.observed_state import ObservedState


def composed(observed: ObservedState, candidates: Iterable[Candidate], results: Results) -> tuple[Candidate, Composed]:
    """Compose the deployment of the first candidate that can be, in the version that the cluster serves.

    Raises:
        InvalidRequestError: What the user wants cannot be laid over it, or said in that version.
    """
    candidate, made = compose_for_request(observed.request, observed.base, candidates, results, observed.settings)
    return candidate, _as_served(observed, made)


def composed_trial(observed: ObservedState, candidate: Candidate, log: TrialLog) -> Manifest:
    """Compose the deployment by which a candidate is measured: one replica, without planner, of the request.

    Raises:
        InvalidRequestError: What the user wants cannot be laid over it, or said in the version that the cluster serves;
            or it changes how many GPUs are measured.
    """
    candidate = candidate.scaled(1)
    hardware = used(observed.status.hardware)
    if hardware is None:
        raise InvalidRequestError([FieldError("status.hardware", "Required value", "says for how many GPUs it is")])
    kept, spec = preserved(observed.request.metadata.annotations), observed.request.spec
    alone = (spec.features or Features()).model_copy(update={"planner": False})
    if spec.backend not in (Backend.AUTO, candidate.backend):
        raise InvalidRequestError([FieldError("spec.backend", f'"{spec.backend}"', f"is not {candidate.backend}")])
    request = replace(
        graph_request(observed.request, hardware, kept),
        spec=spec.model_copy(update={"features": alone, "overrides": _without_planner(spec.overrides)}),
        model=profiled_model(observed.request, log.model),
        facts=log.model_facts,
        base=base_of(observed.base, kept),
    )
    _, made = compose_first([candidate], request, observed.settings)
    gpus = gpus_of(made.graph)
    if gpus != (0 if request.effective.mocker else candidate.gpus):
        detail = f"a trial of {candidate.gpus} GPUs would take {gpus}: what is measured is no candidate then"
        raise InvalidRequestError([FieldError("spec.overrides.dgd", "Invalid value", detail)])
    ours, owner = made.graph["metadata"], observed.request
    marks = {LABEL_TRIAL: candidate.id}
    metadata = ours | {
        "name": trial_name(observed.name, observed.uid, candidate.id),
        "ownerReferences": [owner_reference(owner)],
        "labels": ours.get("labels", {}) | marks,
        "annotations": ours.get("annotations", {}) | {ANNOTATION_GPUS: str(gpus)},
    }
    return _as_served(observed, replace(made, graph=made.graph | {"metadata": metadata})).graph


def _without_planner(overrides: Overrides | None) -> Overrides | None:
    """Return a request's overrides without what they change of the planner, which a trial does not have."""
    changed = overrides.dgd if overrides else None
    if overrides is None or changed is None or not isinstance(spec := changed.get("spec"), dict):
        return overrides
    kept = dict(spec)
    if isinstance(components := spec.get("components"), list):
        kept["components"] = [c for c in components if not (isinstance(c, dict) and c.get("name") == PLANNER)]
    if isinstance(services := spec.get("services"), dict):
        kept["services"] = {name: service for name, service in services.items() if name != PLANNER}
    return overrides.model_copy(update={"dgd": changed | {"spec": kept}})


def composed_adopted(observed: ObservedState, text: str) -> tuple[int, Composed]:
    """Compose the deployment that another profiler made: its GPUs, and it in the version that the cluster serves.

    Raises:
        InvalidRequestError: It cannot be created, or what the user wants cannot be laid over it.
    """
    hardware = used(observed.status.hardware)
    if hardware is None:
        raise InvalidRequestError([FieldError("status.hardware", "Required value", "says for how many GPUs it is")])
    made = compose_adopted(
        text, graph_request(observed.request, hardware, preserved(observed.request.metadata.annotations))
    )
    return gpus_of(made.graph), _as_served(observed, made)


def with_runtime_version(observed: ObservedState, graph: Manifest) -> Manifest:
    """Return a deployment with the version that the request names by now: that may be added after it was composed."""
    hardware = used(observed.status.hardware)
    if hardware is None:
        return graph
    kept = as_far_as_known(observed.request.metadata.annotations)
    return filled_in(graph, runtime_version(graph_request(observed.request, hardware, kept)))


def _as_served(observed: ObservedState, made: Composed) -> Composed:
    return replace(made, graph=to_v1alpha1(made.graph)) if observed.graphs == GRAPHS_V1ALPHA1 else made
