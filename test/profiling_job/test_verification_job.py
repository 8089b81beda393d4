"""The Job that measures a deployment: what it is started with, and what is read of it."""

import json
from typing import Any

import pytest

from dgdr_api.parse import parse_request
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiling_job.verification_job import (
    MOST_REQUESTS,
    PlannedLoad,
    Verification,
    measured,
    verification_job,
)
from dgdr_controller.settings import Settings
from test.builders.observed_state import request_of

LOAD = PlannedLoad("http://qwen-dgd-frontend.team.svc:8000", "/models/qwen", 16, 480)


def verification(seconds: int = 60, candidate: str = "vllm-agg-1", uid: str = "dgd-1", **spec: Any) -> Verification:
    return Verification(request_of(**spec), Settings(), uid, candidate, seconds)


def pod_of(wanted: Verification) -> dict[str, Any]:
    pod: dict[str, Any] = verification_job(wanted, LOAD)["spec"]["template"]["spec"]
    return pod


def test_request_is_in_the_job_as_the_command_reads_it() -> None:
    spec: dict[str, Any] = {
        "workload": {"isl": 100, "osl": 20},
        "sla": {"ttft": 300.0, "itl": 20.0},
        "overrides": {"dgd": {"a": 1}},
    }
    job = verification_job(verification(**spec), LOAD)
    (item,) = job["spec"]["template"]["spec"]["volumes"][0]["downwardAPI"]["items"]
    annotation = item["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
    content = job["spec"]["template"]["metadata"]["annotations"][annotation]
    request = parse_request(json.loads(content))
    assert request.spec.workload == request_of(**spec).spec.workload
    assert request.spec.sla == request_of(**spec).spec.sla
    assert request.spec.overrides is None, "what is measured does not depend on it"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert f"--file=/request/{item['path']}" in container["args"]


def test_job_has_no_rights_and_its_result_is_its_termination_message() -> None:
    pod = pod_of(verification())
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert "--output=/dev/termination-log" in container["args"]
    assert container["image"] == Settings().profiling.measurer_image
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_users_part_of_profiling_pods_is_laid_over_it() -> None:
    template = {
        "metadata": {"labels": {"team": "a"}},
        "spec": {
            "nodeSelector": {"pool": "cpu"},
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {"name": "profiler", "image": "own:1", "env": [{"name": "HTTP_PROXY", "value": "http://proxy:3128"}]},
                {"name": "output-copier", "resources": {"limits": {"memory": "1Gi"}}},
            ],
            "initContainers": [{"name": "fetch", "image": "fetch:1"}],
            "serviceAccountName": "robot",
            "automountServiceAccountToken": True,
        },
    }
    job = verification_job(verification(overrides={"profilingJob": {"backoffLimit": 9, "template": template}}), LOAD)
    pod = job["spec"]["template"]["spec"]
    assert job["spec"]["backoffLimit"] == 0, "what is laid over the profiling Job itself is of that Job"
    assert job["spec"]["template"]["metadata"]["labels"]["team"] == "a"
    assert pod["nodeSelector"] == {"pool": "cpu"}
    assert [container["name"] for container in pod["containers"]] == ["profiler"]
    assert {"name": "HTTP_PROXY", "value": "http://proxy:3128"} in pod["containers"][0]["env"]
    assert not pod.get("initContainers")
    assert "serviceAccountName" not in pod
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["image"] == Settings().profiling.measurer_image


def test_model_cache_is_mounted_for_its_tokenizer() -> None:
    pod = pod_of(verification(modelCache={"pvcName": "models", "pvcMountPath": "/models"}))
    claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
    assert claims == ["models"]
    assert {"name": "model-cache", "mountPath": "/models", "readOnly": True} in pod["containers"][0]["volumeMounts"]


def test_exports_are_kept_where_the_request_keeps_files() -> None:
    volume = {"name": "profiling-output", "persistentVolumeClaim": {"claimName": "output"}}
    pod = pod_of(verification(overrides={"profilingJob": {"template": {"spec": {"volumes": [volume]}}}}))
    (container,) = pod["containers"]
    assert volume in pod["volumes"]
    assert any(arg.startswith("--output-dir=/data/qwen/verification/") for arg in container["args"])
    assert not any(arg.startswith("--output-dir") for arg in pod_of(verification())["containers"][0]["args"])


@pytest.mark.parametrize(
    "other", [verification(seconds=30), verification(candidate="vllm-agg-2"), verification(uid="dgd-2")]
)
def test_inputs_tell_one_measurement_from_another(other: Verification) -> None:
    assert other.inputs != verification().inputs
    assert verification().inputs == verification(workload={"isl": 10, "osl": 10}).inputs


@pytest.mark.parametrize(("rate", "requests"), [(None, 1), (0.001, 1), (2.5, 150), (1000.0, MOST_REQUESTS)])
def test_as_many_requests_as_the_plan_serves_in_the_time(rate: float | None, requests: int) -> None:
    assert verification(seconds=60).requests(rate) == requests


def test_deadline_fits_the_longest_requests() -> None:
    slow = PlannedLoad("http://x:8000", "/m", 16, 480, e2e_s=200.0)
    quick = verification_job(verification(), LOAD)["spec"]["activeDeadlineSeconds"]
    assert verification_job(verification(), slow)["spec"]["activeDeadlineSeconds"] - quick >= 6 * 200 * 3 - 10 * 60


def test_what_the_command_writes_can_be_read() -> None:
    point = MeasuredPoint(
        trial="qwen", concurrency=8, ttft=1.5, itl=2.5, tokens_per_s=3.5, request_rate=0.5, requests=48
    )
    assert measured(f"[{point.model_dump_json()}]") == point


@pytest.mark.parametrize("message", ["", "[]", "Error: no", "{", '[{"trial": "x"}]', "null"])
def test_anything_else_is_no_measurement(message: str) -> None:
    assert measured(message) is None
