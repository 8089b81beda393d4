"""The deployment of a request that is in the cluster, for a candidate."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from dgdr_api.candidate import Candidate
from dgdr_api.defaults import effective
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.hardware import HardwareUsed
from dgdr_api.names import ANNOTATION_GPUS, LABEL_TRIAL, trial_name
from dgdr_api.options import keeps_image
from dgdr_api.preserved import Preserved, as_far_as_known, preserved
from dgdr_api.results import Results
from dgdr_api.trials import TrialLog
from dgdr_api.v1beta1 import Backend, Features, Overrides
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.deployment.compose import Composed, compose_adopted, compose_first
from dgdr_controller.deployment.conversion.versions import to_v1alpha1
from dgdr_controller.deployment.quantities import gpus_of
from dgdr_controller.deployment.render import GraphRequest
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
    kept = preserved(observed.request.metadata.annotations)
    request = replace(
        _asked(observed, results.hardware, kept),
        model=_profiled(observed, results.model),
        curves=results.curves,
        base=_base(observed, kept),
        facts=results.model_facts,
    )
    candidate, made = compose_first(candidates, request, observed.settings)
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
        _asked(observed, hardware, kept),
        spec=spec.model_copy(update={"features": alone, "overrides": _without_planner(spec.overrides)}),
        model=_profiled(observed, log.model),
        facts=log.model_facts,
        base=_base(observed, kept),
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


def _profiled(observed: ObservedState, model: str) -> str:
    """Return the model that was profiled, as engines load it: the request's, or a folder of its model cache.

    Whoever may write the output's ConfigMap has no other one deployed, and no code of another one run.

    Raises:
        InvalidRequestError: It is another one.
    """
    asked, cache = observed.request.spec.model, effective(observed.request).model_cache
    in_cache = cache is not None and PurePosixPath(model).is_relative_to(cache.mount_path) and ".." not in model
    if in_cache or model.lower() == asked.lower():
        return model
    raise InvalidRequestError([FieldError("spec.model", f'"{asked}"', f'was not profiled: the result is of "{model}"')])


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


def _base(observed: ObservedState, kept: Preserved) -> Manifest | None:
    """Return the user's own deployment, which the plan is put into; None where there is none.

    Raises:
        InvalidRequestError: It does not exist any more, or is none.
    """
    if kept.base is not None and observed.base is None:
        detail = "does not exist any more; it holds the deployment that the plan is merged into"
        raise InvalidRequestError([FieldError("spec.profilingConfig.configMapRef", f'"{kept.base.name}"', detail)])
    return read_base(observed.base) if observed.base is not None else None


def composed_adopted(observed: ObservedState, text: str) -> tuple[int, Composed]:
    """Compose the deployment that another profiler made: its GPUs, and it in the version that the cluster serves.

    Raises:
        InvalidRequestError: It cannot be created, or what the user wants cannot be laid over it.
    """
    hardware = used(observed.status.hardware)
    if hardware is None:
        raise InvalidRequestError([FieldError("status.hardware", "Required value", "says for how many GPUs it is")])
    made = compose_adopted(text, _asked(observed, hardware, preserved(observed.request.metadata.annotations)))
    return gpus_of(made.graph), _as_served(observed, made)


def with_runtime_version(observed: ObservedState, graph: Manifest) -> Manifest:
    """Return a deployment with the version that the request names by now: that may be added after it was composed."""
    hardware = used(observed.status.hardware)
    if hardware is None:
        return graph
    kept = as_far_as_known(observed.request.metadata.annotations)
    return filled_in(graph, runtime_version(_asked(observed, hardware, kept)))


def _asked(observed: ObservedState, hardware: HardwareUsed, kept: Preserved) -> GraphRequest:
    """Return what the request itself says of its deployment."""
    asked, spec = observed.request.metadata, observed.request.spec
    return GraphRequest(
        name=asked.name,
        namespace=asked.namespace,
        uid=asked.uid,
        spec=spec,
        model=spec.model,
        hardware=hardware,
        preserved=kept,
        keeps_image=keeps_image(asked.annotations),
    )


def _as_served(observed: ObservedState, made: Composed) -> Composed:
    return replace(made, graph=to_v1alpha1(made.graph)) if observed.graphs == GRAPHS_V1ALPHA1 else made
