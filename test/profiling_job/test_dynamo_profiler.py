"""Dynamo's own profiler in a Job: what it is started with, and what is read of its files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_controller.profiling_job import builder
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.profiling_job.source import PROFILERS, Source
from hack.cluster.layout import CHECKOUT
from hack.engines.wheels import RELEASES, sources
from test.builders.observed_state import observed_of, request_of, run_of

IMAGE = "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1"
PROFILES = {"dgdr.nvidia.com/profiler": "image"}
WHOLE: dict[str, Any] = {
    "backend": "sglang",
    "workload": {"isl": 3000, "osl": 150, "concurrency": 48},
    "sla": {"e2eLatency": 4000},
    "modelCache": {"pvcName": "models", "modelPathInPvc": "qwen", "mountPath": "/models"},
    "features": {"planner": {"enabled": True, "optimization_target": "sla"}, "kvRouter": True, "mocker": False},
    "overrides": {
        "dgd": {"metadata": {"labels": {"team": "a"}}},
        "profilingJob": {"activeDeadlineSeconds": 900},
        "trustRemoteCode": True,
    },
}
KEPT = {"template": {"spec": {"volumes": [{"name": "profiling-output", "persistentVolumeClaim": {"claimName": "c"}}]}}}


def run(**spec: Any) -> Run:
    return run_of(observed_of(request_of(annotations=PROFILES, image=IMAGE, **spec)))


def pod(of: Run) -> dict[str, Any]:
    return dict(builder.job(of)["spec"]["template"]["spec"])


def specification(of: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(builder.input_config_map(of)["data"]["spec.json"])
    return found


def test_job_runs_the_image_once_as_dynamos_operator_does() -> None:
    made = run()
    spec = builder.job(made)["spec"]
    assert spec["backoffLimit"] == 0
    assert [list(rule) for rule in spec["podFailurePolicy"]["rules"]] == [["action", "onPodConditions"]]
    (profiler,), (publisher,) = pod(made)["containers"], pod(made)["initContainers"]
    assert profiler["image"] == IMAGE
    assert profiler["command"] == ["python", "-m", "dynamo.profiler"]
    assert profiler["args"] == ["--config=/config/spec.json", "--output-dir=/data"]
    assert profiler["workingDir"] == "/workspace"
    assert publisher["args"] == ["publish", "--output-dir=/data", "--volume=/data", "--profiler=dynamo"]
    (shared,) = (mount for mount in publisher["volumeMounts"] if mount["mountPath"] == "/data")
    assert shared == {"name": "profiling-output", "mountPath": "/data", "readOnly": True}
    assert pod(made)["automountServiceAccountToken"] is False


def test_files_of_each_job_have_a_folder_of_their_own_in_a_volume_that_is_kept() -> None:
    made = pod(run(overrides={"profilingJob": KEPT}))
    for container in (made["containers"][0], made["initContainers"][0]):
        assert "--output-dir=/data/qwen/$(DGDR_JOB_UID)" in container["args"]
        assert "DGDR_JOB_UID" in [variable["name"] for variable in container["env"]]


def test_thorough_search_has_its_time_and_the_rights_of_its_account() -> None:
    account = {"template": {"spec": {"serviceAccountName": "deployer"}}}
    made = builder.job(run(searchStrategy="thorough", overrides={"profilingJob": account}))
    assert made["spec"]["activeDeadlineSeconds"] == 6 * 3600
    assert made["spec"]["template"]["spec"]["automountServiceAccountToken"] is True


def test_its_spec_has_every_default_filled_in() -> None:
    told = specification(run())
    assert told["workload"] == {"isl": 4000, "osl": 1000}
    assert told["sla"] == {"ttft": 2000.0, "itl": 30.0}
    assert told["hardware"] == {"gpuSku": "h200_sxm", "totalGpus": 8, "numGpusPerNode": 8, "vramMb": 143771}
    assert (told["model"], told["image"], told["backend"]) == ("Qwen/Qwen3-32B", IMAGE, "vllm")
    assert not {"overrides", "features", "modelCache"} & set(told)


def test_its_spec_says_what_the_request_says() -> None:
    told = specification(run(**WHOLE))
    assert told["workload"] == WHOLE["workload"]
    assert told["sla"] == {"e2eLatency": 4000.0}
    assert told["modelCache"] == {"pvcName": "models", "pvcModelPath": "qwen", "pvcMountPath": "/models"}
    assert told["features"] == {"planner": {"optimization_target": "sla"}, "kvRouter": {"enabled": True}}
    assert told["overrides"] == {"trustRemoteCode": True}


READS = """
import json, sys
sys.path[:0] = sys.argv[2:]
from hack.engines import stand_in
stand_in.install(dict.fromkeys(json.loads(sys.argv[1]), "999"))
from dynamo.profiler.utils.dgdr_v1beta1_types import DynamoGraphDeploymentRequestSpec
from dynamo.profiler.utils.dgdr_validate import valid_dgdr_spec
read = valid_dgdr_spec(DynamoGraphDeploymentRequestSpec.model_validate(json.load(sys.stdin)))
print(json.dumps([read.model_dump(mode="json", exclude_none=True), read.features is not None and read.features.planner is not None]))
"""
"""What a release's profiler does with its spec first, in a process of its own."""
ELSEWHERE = (
    *("aiconfigurator", "aiohttp", "aisimulate", "aisimulate_core", "deploy", "dynamo._core", "dynamo.llm"),
    *("dynamo.runtime", "filterpy", "httpx", "kubernetes", "kubernetes_asyncio", "matplotlib", "numpy", "pandas"),
    *("plotly", "pmdarima", "prometheus_api_client", "prophet", "scipy", "sklearn", "transformers"),
)
"""What that code imports and does not use for it."""


@pytest.mark.engines
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("spec", [{}, WHOLE, {"features": {"planner": True}}])
def test_every_release_reads_its_spec(release: str, spec: dict[str, Any]) -> None:
    folders = sources((RELEASES[release].dynamo, RELEASES[release].runtime))
    told = specification(run(**spec))
    asked = subprocess.run(
        [sys.executable, "-c", READS, json.dumps(ELSEWHERE), *map(str, folders)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )
    assert asked.returncode == 0, asked.stderr
    read, plans = json.loads(asked.stdout.splitlines()[-1])
    assert {"isl": told["workload"]["isl"], "osl": told["workload"]["osl"]}.items() <= read["workload"].items()
    assert read["sla"] == told["sla"]
    assert read["hardware"] == told["hardware"]
    assert read.get("modelCache") == told.get("modelCache")
    assert plans is ("features" in spec)


def published(folder: Path, status: str, final: str | None = None) -> Output | None:
    (folder / "profiler_status.yaml").write_text(status)
    if final is not None:
        (folder / "final_config.yaml").write_text(final)
    return Source(folder, "job-1", "hash", PROFILERS["dynamo"]).read()


@pytest.mark.parametrize(
    ("told", "state", "phase", "error"),
    [
        ({"status": "running", "message": "Profiler job started"}, RunState.RUNNING, "Initializing", ""),
        ({"status": "running", "phase": "SweepingPrefill", "message": "m"}, RunState.RUNNING, "SweepingPrefill", ""),
        ({"status": "failed", "error": "no GPUs"}, RunState.FAILED, "Initializing", "no GPUs"),
        ({"status": "failed", "message": "Config validation failed"}, RunState.FAILED, "Initializing", "Config validation failed"),
        ({"status": "failed"}, RunState.FAILED, "Initializing", "the profiler does not say why"),
        ({"status": "failed", "error": 5, "phase": ["odd"]}, RunState.FAILED, "['odd']", "5"),
    ],
)  # fmt: skip
def test_status_of_every_release_is_read(
    tmp_path: Path, told: dict[str, Any], state: RunState, phase: str, error: str
) -> None:
    told |= {"timestamp": "2026-01-02T03:04:05Z", "outputs": {"final_config": "final_config.yaml"}}
    found = published(tmp_path, yaml.safe_dump(told))
    assert found is not None
    assert (found.run.status, found.run.phase, found.run.error) == (state, phase, error)
    assert not found.has_results


def test_deployment_is_what_it_comes_to(tmp_path: Path) -> None:
    found = published(tmp_path, "status: success\nphase: Done\nmessage: m\n", "kind: DynamoGraphDeployment\n")
    assert found is not None
    assert found.is_deployment
    assert found.deployment() == "kind: DynamoGraphDeployment\n"


def test_status_that_is_being_written_is_read_once_it_has_settled(tmp_path: Path) -> None:
    file = tmp_path / "profiler_status.yaml"
    file.write_text("status: failed\n")
    source = Source(tmp_path, "job-1", "hash", PROFILERS["dynamo"])
    assert source.version() is None
    at = file.stat().st_mtime
    os.utime(file, (at, at - 2))
    assert source.version() is not None
    os.utime(file, (at, at + 3600))  # the clock of a file server
    assert source.version() is not None


@pytest.mark.parametrize("status", ["", "status: [", "- a", "status: odd", "phase: Done"])
def test_status_that_cannot_be_read_is_a_value_error(tmp_path: Path, status: str) -> None:
    with pytest.raises(ValueError, match=r"profiler_status\.yaml cannot be read"):
        published(tmp_path, status)


def linked_file(folder: Path, secret: Path) -> Path:
    (folder / "final_config.yaml").symlink_to(secret)
    return folder


def linked_folder(folder: Path, secret: Path) -> Path:
    (folder / "profiler_status.yaml").write_text("status: success\n")
    (folder / "final_config.yaml").write_text(secret.read_text())
    link = folder.parent / "link"
    link.symlink_to(folder)
    return link


def pipe(folder: Path, _: Path) -> Path:
    os.mkfifo(folder / "final_config.yaml")
    return folder


@pytest.mark.parametrize("make", [linked_file, linked_folder, pipe])
def test_files_are_not_followed_elsewhere(tmp_path: Path, make: Callable[[Path, Path], Path]) -> None:
    """Whoever writes them is not trusted, and beside the publisher lies its token."""
    secret, folder = tmp_path / "token", tmp_path / "data"
    secret.write_text("secret")
    folder.mkdir()
    (folder / "profiler_status.yaml").write_text("status: success\n")
    source = Source(make(folder, secret), "job-1", "hash", PROFILERS["dynamo"], tmp_path)
    with pytest.raises(ValueError, match="cannot be read"):
        source.read()


def test_success_without_a_deployment_is_a_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"final_config\.yaml cannot be read: No such file or directory"):
        published(tmp_path, "status: success\n")
