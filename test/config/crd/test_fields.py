"""On a real API server, with strict field validation: what is taken, what is refused, and which field it names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]
SMALLEST = {"model": "Qwen/Qwen3-32B"}
DEFAULTS = {"backend": "auto", "searchStrategy": "rapid", "autoApply": True}
FEATURES = ("planner", "kvRouter", "mocker")
Requests = Any  # test modules do not import each other
Refusal = Callable[..., Any]


def test_defaults_are_filled_in_where_every_version_agrees(requests: Requests) -> None:
    assert requests.create()["spec"] == SMALLEST | DEFAULTS


def test_request_without_values_gets_none(requests: Requests) -> None:
    """No ttft beside an e2eLatency, no pvcMountPath beside a mountPath: each would make the other illegal."""
    empty: dict[str, Any] = {key: {} for key in ("modelCache", "hardware", "workload", "sla", "overrides", "features")}
    assert requests.create(empty)["spec"] == SMALLEST | DEFAULTS | empty


EVERYTHING: dict[str, Any] = {
    "backend": "trtllm",
    "image": "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1",
    "runtimeVersionOverride": "1.6.1",
    "searchStrategy": "thorough",
    "autoApply": False,
    "modelCache": {
        "pvcName": "weights",
        "pvcModelPath": "a",
        "pvcMountPath": "/b",
        "pvcPath": "a",
        "modelPathInPvc": "a",
        "mountPath": "/b",
    },
    "hardware": {
        "gpuSku": "h100_sxm",
        "vramMb": 81559.5,
        "totalGpus": 8,
        "numGpusPerNode": 8,
        "interconnect": "nvlink",
        "rdma": False,
    },
    "workload": {"isl": 1, "osl": 2147483647, "concurrency": 0.5, "requestRate": 4.5},
    "sla": {"ttft": 0.5, "itl": 1000000000, "e2eLatency": 2000.5, "optimizationType": "hybrid"},
}


def test_every_field_is_kept_as_it_was_written(requests: Requests) -> None:
    assert requests.create(EVERYTHING)["spec"] == SMALLEST | EVERYTHING


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "samples").glob("q*.yaml")), ids=lambda path: path.stem)
def test_every_sample_is_taken_unchanged(requests: Requests, file: Path) -> None:
    manifest = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert requests.create(manifest["spec"])["spec"] == DEFAULTS | manifest["spec"]


@pytest.mark.parametrize(
    "spec",
    [  # after the manifests that Dynamo's own documents and samples show
        {"backend": "vllm", "searchStrategy": "thorough", "hardware": {"numGpusPerNode": 8, "gpuSku": "h200_sxm"}},
        {"workload": {"requestRate": 10}, "features": {"planner": {"optimization_target": "sla", "ttft_ms": 500}}},
        {"features": {"mocker": {"enabled": True}}},
        {"modelCache": {"pvcName": "model-cache", "pvcModelPath": "hub/models--Qwen--Qwen3-0.6B/snapshots/abc"}},
        {
            "autoApply": False,
            "overrides": {
                "dgd": {
                    "apiVersion": "nvidia.com/v1beta1",
                    "kind": "DynamoGraphDeployment",
                    "spec": {"components": [{"name": "Frontend", "podTemplate": {"spec": {"containers": []}}}]},
                }
            },
        },
        # Dynamo refuses this one, which its proposal for DGDRs prints: no apiVersion and kind, no containers.
        {"overrides": {"dgd": {"spec": {"services": {"decode": {"envFromSecret": "hf-token-secret"}}}}}},
    ],
)
def test_manifests_of_the_documents_are_taken_unchanged(requests: Requests, spec: dict[str, Any]) -> None:
    assert requests.create(spec)["spec"] == SMALLEST | DEFAULTS | spec


LIMITS: list[tuple[str, object, str]] = [
    ("model", "", "at least 1 chars long"),
    ("model", 7, 'must be of type string: "integer"'),
    ("backend", "vLLM", 'supported values: "auto", "sglang", "trtllm", "vllm"'),
    ("searchStrategy", "superfast", 'supported values: "rapid", "thorough"'),
    ("autoApply", "yes", 'must be of type boolean: "string"'),
    ("runtimeVersionOverride", "1.6", "should match"),
    ("runtimeVersionOverride", "01.6.1", "should match"),
    ("runtimeVersionOverride", "1.6.10000", "should match"),
    ("modelCache", [], 'must be of type object: "array"'),
    ("modelCache.pvcName", "", "at least 1 chars long"),
    ("hardware.vramMb", 0, "should be greater than 0"),
    ("hardware.vramMb", 1000000001, "should be less than or equal to"),
    ("hardware.totalGpus", 0, "greater than or equal to 1"),
    ("hardware.totalGpus", 2147483648, "less than or equal to"),
    ("hardware.numGpusPerNode", 0, "greater than or equal to 1"),
    ("hardware.numGpusPerNode", 1.5, 'must be of type integer: "number"'),
    ("hardware.rdma", "false", 'must be of type boolean: "string"'),
    ("hardware.gpuSku", 100, 'must be of type string: "integer"'),
    ("workload.isl", 0, "greater than or equal to 1"),
    ("workload.osl", -1, "greater than or equal to 1"),
    ("workload.isl", 2147483648, "less than or equal to"),
    ("workload.osl", "1000", 'must be of type integer: "string"'),
    ("workload.concurrency", 0, "should be greater than 0"),
    ("workload.requestRate", -0.5, "should be greater than 0"),
    ("sla.ttft", 0, "should be greater than 0"),
    ("sla.itl", 0, "should be greater than 0"),
    ("sla.e2eLatency", 0, "should be greater than 0"),
    ("sla.ttft", "200ms", 'must be of type number: "string"'),
    ("sla.optimizationType", "cost", 'supported values: "hybrid", "latency", "throughput"'),
    ("overrides.dgd", "x", 'must be of type object: "string"'),
    ("features.planner.enabled", "yes", 'must be of type boolean: "string"'),
    ("overrides.profilingJob.backoffLimit", "2", 'must be of type integer: "string"'),
    ("overrides.profilingJob.template.spec.restartPolicy", "Sometimes", "Unsupported value"),
]


def nested(path: str, value: object) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(("path", "value", "says"), LIMITS)
def test_value_outside_its_limits_is_refused_by_name(refusal: Refusal, path: str, value: object, says: str) -> None:
    refused = refusal(nested(path, value))
    assert refused.code == 422
    assert refused.fields[0] == f"spec.{path}"  # a second one may say that other rules were not looked at
    assert says in refused.message


@pytest.mark.parametrize(
    "path",
    [
        "modle",
        "sla.ttftMs",
        "hardware.gpu_sku",
        "workload.concurency",
        "modelCache.pvc",
        "features.router",
        "overrides.job",
        "overrides.profilingJob.template.spec.tolerationz",
        "overrides.profilingJob.template.spec.ephemeralContainers",
    ],
)
def test_unknown_field_is_refused_by_name(refusal: Refusal, path: str) -> None:
    refused = refusal(nested(path, 1))
    assert (refused.code, refused.fields) == (400, ())
    assert f'unknown field "spec.{path}"' in refused.message


@pytest.mark.parametrize(("spec", "field"), [({}, "spec.model"), (7, "spec"), (None, "spec")])
def test_request_names_a_model(refusal: Refusal, spec: object, field: str) -> None:
    assert refusal(spec=spec).fields[0] == field


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize(
    "value", [True, False, {}, {"enabled": False}, {"enabled": True, "mode": "agg", "deep": [{"x": 1.5}]}]
)
def test_every_form_of_a_feature_passes_whole(requests: Requests, feature: str, value: object) -> None:
    assert requests.create({"features": {feature: value}})["spec"]["features"] == {feature: value}


@pytest.mark.parametrize("value", ["yes", 7, []])
def test_rules_beyond_a_schema_are_left_to_validation(requests: Requests, value: object) -> None:
    """A bool-or-object field has no type; `dgdr_api.parse` refuses these."""
    assert requests.create({"features": {"planner": value}}, dry=True)["spec"]["features"] == {"planner": value}


JOB: dict[str, Any] = {
    "backoffLimit": 1,
    "activeDeadlineSeconds": 7200,
    "template": {
        "metadata": {"labels": {"team": "a"}, "annotations": {"b": "c"}},
        "spec": {
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "nodeSelector": {"pool": "x"},
            "volumes": [{"name": "profiling-output", "persistentVolumeClaim": {"claimName": "dynamo-pvc"}}],
            "containers": [
                {
                    "name": "profiler",
                    "env": [{"name": "A", "value": "1"}],
                    "resources": {"requests": {"cpu": 2, "memory": "1.5Gi", "nvidia.com/gpu": "1"}},
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                }
            ],
        },
    },
}


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"template": {}},
        {"template": {"spec": {}}},
        {"template": {"spec": {"containers": []}}},
        {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}},
        JOB,
    ],
)
def test_part_of_a_job_is_taken_unchanged(requests: Requests, job: dict[str, Any]) -> None:
    assert requests.create({"overrides": {"profilingJob": job}})["spec"]["overrides"]["profilingJob"] == job


def test_quantity_that_is_none_is_refused_by_name(refusal: Refusal) -> None:
    container = {"name": "profiler", "resources": {"limits": {"cpu": "abc"}}}
    refused = refusal({"overrides": {"profilingJob": {"template": {"spec": {"containers": [container]}}}}})
    assert refused.fields == ("spec.overrides.profilingJob.template.spec.containers[0].resources.limits.cpu",)


def test_override_of_the_deployment_is_kept_whole(requests: Requests) -> None:
    override = {"spec": {"snake_case": [None, {"x": 1}], "components": [{"name": "Frontend", "new": {}}]}}
    assert requests.create({"overrides": {"dgd": override}})["spec"]["overrides"]["dgd"] == override
