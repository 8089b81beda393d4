"""Dynamo's planner beside the engines: a component that mounts its configuration and the curves it begins with.

Source: ``dynamo.planner`` 1.6.1 ``__main__.py``, ``monitoring/perf_metrics.py`` (the files of the curves).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.curves import WorkerCurve
from dgdr_api.dgd import Component, ConfigMapSource, Container, EnvVar, Volume, VolumeMount
from dgdr_api.names import ANNOTATION_UID, LABEL_CONTENT
from dgdr_controller.deployment.render.engines import ENGINES
from dgdr_controller.deployment.render.images import planner_image, release, runtime_version
from dgdr_controller.deployment.render.planner_config import planner_config, prometheus_of
from dgdr_controller.deployment.render.planner_settings import Written
from dgdr_controller.deployment.render.pods import pod_template
from dgdr_controller.deployment.render.releases import planner_settings
from dgdr_controller.deployment.render.request import GraphRequest, owner_labels
from dgdr_controller.manifest import Manifest
from dgdr_controller.settings import Settings

PLANNER = "Planner"
"""Name of its component."""
_CONFIG, _CONFIG_FOLDER, _CONFIG_FILE = "planner-config", "/workspace/planner_config", "planner_config.json"
_CURVES, _CURVES_FOLDER = "planner-profile-data", "/workspace/profiling_results"
CURVE_FILES = {Role.PREFILL: "prefill_raw_data.json", Role.DECODE: "decode_raw_data.json"}
"""The planner's files of the curves."""
_DIGITS = 8


def with_planner(
    candidate: Candidate, request: GraphRequest, settings: Settings
) -> tuple[Component, tuple[Manifest, ...]]:
    """Return the planner's component and the ConfigMaps that it mounts."""
    found = curves_of(candidate, request.curves)
    curves = {CURVE_FILES[role]: json.dumps(columns_of(curve)) for role, curve in found.items()}
    written = Written.of(request.spec).settings
    known = {"profile_results_dir": _CURVES_FOLDER, **written} if curves else written
    planned, spoken = planner_config(candidate, request, known), release(request, settings, engines=False)
    settled = planner_settings(planned, spoken, by_load=candidate.mode is Mode.AGGREGATED or not curves)
    config = json.dumps(settled, indent=1, sort_keys=True)
    maps = [_config_map(_CONFIG, {_CONFIG_FILE: config}, request)]
    if curves:
        maps.append(_config_map(_CURVES, curves, request))
    image = planner_image(ENGINES[candidate.backend].image, request, settings)
    return _component(maps, image, request, settings), tuple(maps)


def _component(maps: Sequence[Manifest], image: str, request: GraphRequest, settings: Settings) -> Component:
    folders = dict(zip((_CONFIG, _CURVES), (_CONFIG_FOLDER, _CURVES_FOLDER), strict=True))
    names = dict(zip(folders, (config_map["metadata"]["name"] for config_map in maps), strict=False))
    container = Container(
        image=image,
        command=("python3", "-m", "dynamo.planner"),
        args=("--config", f"{_CONFIG_FOLDER}/{_CONFIG_FILE}"),
        env=(EnvVar(name="PROMETHEUS_ENDPOINT", value=prometheus_of(request.spec, settings)),),
        volume_mounts=tuple(VolumeMount(name=volume, mount_path=folders[volume], read_only=True) for volume in names),
    )
    volumes = tuple(Volume(name=volume, config_map=ConfigMapSource(name=name)) for volume, name in names.items())
    return Component(
        name=PLANNER,
        type="planner",
        replicas=1,
        runtime_version_override=runtime_version(request),
        pod_template=pod_template(container, request, volumes=volumes),
    )


def _config_map(kind: str, data: Mapping[str, str], request: GraphRequest) -> Manifest:
    """Return a ConfigMap whose name tells its content: requests that ask for the same do not meet, nor do versions."""
    text = json.dumps([request.uid, request.namespace, request.name, data], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{kind}-{digest}",
            **({"namespace": request.namespace} if request.namespace else {}),
            "labels": owner_labels(request) | {LABEL_CONTENT: kind},
            **({"annotations": {ANNOTATION_UID: request.uid}} if request.uid else {}),
        },
        "data": dict(data),
    }


def curves_of(candidate: Candidate, known: Sequence[WorkerCurve]) -> dict[Role, WorkerCurve]:
    """Return the curves of the candidate's workers: both, or none where one is missing."""
    found: dict[Role, WorkerCurve] = {}
    for worker in candidate.workers:
        wanted = (candidate.backend, worker.role, worker.parallelism, worker.kv_cache_dtype)
        curve = next((c for c in known if (c.backend, c.role, c.parallelism, c.kv_cache_dtype) == wanted), None)
        if curve is not None and columns_of(curve):
            found[worker.role] = curve
    return found if found.keys() == CURVE_FILES.keys() else {}


def columns_of(curve: WorkerCurve) -> dict[str, Any]:
    """Return a curve as the planner reads it."""
    if prefill := curve.prefill:
        return {
            "prefill_isl": prefill.isl,
            "prefill_ttft": prefill.ttft,
            "prefill_thpt_per_gpu": prefill.tokens_per_s_per_gpu,
        }
    if decode := curve.decode:
        return {
            "x_kv_usage": decode.kv_usage,
            "y_context_length": decode.context_length,
            "z_itl": decode.itl,
            "z_thpt_per_gpu": decode.tokens_per_s_per_gpu,
            "max_kv_tokens": decode.max_kv_tokens,
        }
    return {}
