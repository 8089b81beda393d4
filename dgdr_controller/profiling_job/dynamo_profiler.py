"""Dynamo's own profiler, or an image that speaks its language, in place of ours: what it is started with.

Its command line and its files: ``dynamo/profiler/__main__.py`` and ``utils/profiler_status.py`` in the wheels of
ai-dynamo 1.0.2 to 1.6.1.
"""

import json
from collections.abc import Iterator
from typing import Any

from dgdr_api.defaults import Effective, effective
from dgdr_api.job_spec import PROFILER
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job.protocol import SPEC_FILE
from dgdr_controller.profiling_job.run import Run, output_volume

DATA_DIR = "/data"
JOB_UID = "DGDR_JOB_UID"
"""Variable of the environment with the Job's UID, which the kubelet puts into arguments."""
_OURS = ("dgd", "profilingJob")
"""Overrides that the controller lays over by itself: Dynamo's operator adds a program for that to the image."""


def specification(run: Run) -> str:
    """Return the spec that it works from: the request's, with every default filled in as its version has it."""
    wanted, hardware = effective(run.request), run.hardware
    spec: dict[str, Any] = run.request.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    parts = {
        "hardware": spec.get("hardware", {})
        | {
            "gpuSku": hardware.gpu_sku,
            "totalGpus": hardware.total_gpus.value,
            "numGpusPerNode": hardware.num_gpus_per_node.value,
            "vramMb": hardware.vram_mib.value,
        },
        "workload": spec.get("workload", {}) | {"isl": wanted.isl.value, "osl": wanted.osl.value},
        "sla": spec.get("sla", {}) | _targets(wanted),
        "features": dict(_features(wanted, spec.get("features", {}).get("planner"))),
        "modelCache": _cache(wanted),
        "overrides": {name: value for name, value in spec.get("overrides", {}).items() if name not in _OURS},
    }
    rest = {name: value for name, value in spec.items() if name not in parts}
    return json.dumps(rest | {name: part for name, part in parts.items() if part}, indent=1)


def _targets(wanted: Effective) -> Manifest:
    """Return the targets for tokens; a target for the whole request stands in place of them."""
    if wanted.ttft is None or wanted.itl is None:
        return {}
    return {"ttft": wanted.ttft.value, "itl": wanted.itl.value}


def _features(wanted: Effective, planner: object) -> Iterator[tuple[str, Manifest]]:
    """Yield the features that are on. A planner that is named is on, whatever it says."""
    if wanted.planner:
        settings = planner if isinstance(planner, dict) else {}
        yield "planner", {name: value for name, value in settings.items() if name != "enabled"}
    if wanted.kv_router:
        yield "kvRouter", {"enabled": True}
    if wanted.mocker:
        yield "mocker", {"enabled": True}


def _cache(wanted: Effective) -> Manifest:
    cache = wanted.model_cache
    if cache is None:
        return {}
    path = {"pvcModelPath": cache.model_path} if cache.model_path else {}
    return {"pvcName": cache.pvc_name, "pvcMountPath": cache.mount_path} | path


def output_folder(run: Run) -> str:
    """Return the folder that it writes to; in a volume that is kept, one of its own for each Job.

    What an earlier one has left there would be taken for its own.
    """
    return f"{DATA_DIR}/{run.name}/$({JOB_UID})" if output_volume(run.request) else DATA_DIR


def container(run: Run, config_dir: str) -> Manifest:
    """Return what of the container is its own; it writes to its home and to the place where it lies."""
    return {
        "name": PROFILER,
        "image": run.request.spec.image,
        "command": ["python", "-m", "dynamo.profiler"],
        "args": [f"--config={config_dir}/{SPEC_FILE}", f"--output-dir={output_folder(run)}"],
        "workingDir": "/workspace",
    }
