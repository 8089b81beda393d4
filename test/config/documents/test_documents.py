"""Every request that Dynamo's documents print, in its own version: accepted, with the meaning that the text gives it.

The names of the manifests begin with that of the document:

- design-proposal: the proposal "Dynamo Deployment Flow with DGDRs", which has v1alpha1 in its flat form
- dgdr-reference: the reference of DynamoGraphDeploymentRequest, v1beta1
- deployment-overview: "Deployment Overview", v1beta1
- quickstart-v0.6.1: "SLA-Driven Profiling and Planner Deployment Quick Start Guide" of Dynamo 0.6.1, v1alpha1
- planner-guide: the planner guide of Dynamo 0.9, v1alpha1
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api import effective, parse_request, validate
from dgdr_api.conversion import V1ALPHA1, V1BETA1, convert
from dgdr_api.defaults import Cache, Value
from dgdr_api.preserved import preserved
from dgdr_api.validation import warnings
from dgdr_controller.deployment.render.planner_settings import Written
from dgdr_controller.validation.request import validate_overrides

MANIFESTS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "manifests").glob("*.yaml"))
}
SILENT: dict[str, Any] = {
    "backend": "auto",
    "search_strategy": "rapid",
    "auto_apply": True,
    "e2e_latency": None,
    "optimization_type": "hybrid",
    "concurrency": None,
    "request_rate": None,
    "model_cache": None,
    "planner": False,
    "kv_router": False,
    "mocker": False,
}
REFERENCE = SILENT | {"isl": 4000, "osl": 1000, "ttft": 2000, "itl": 30}
"""dgdr-reference "Field Reference"; its latencies have no default there, those are the profiler's."""
PROPOSAL = SILENT | {"isl": 512, "osl": 128, "ttft": 100, "itl": 15}
"""design-proposal "API Overview"."""
GUIDE = SILENT | {"isl": 3000, "osl": 500, "ttft": 50, "itl": 10} | {
    "search_strategy": "thorough",  # "Profiling Methods": online is the default
    "auto_apply": False,  # "Optional Fields"
    "planner": True,  # "Relationship to DynamoGraphDeployment"
}  # fmt: skip
PRINTED_SLA = {"isl": 3000, "osl": 150, "ttft": 200, "itl": 20}
"""The guides' section "SLA Configuration", with which fragments were completed."""
VLLM = GUIDE | PRINTED_SLA | {"backend": "vllm"}
OFFLINE = VLLM | {"backend": "trtllm", "search_strategy": "rapid"}


def cache(path: str, mount: str = "/opt/model-cache") -> dict[str, Cache]:
    return {"model_cache": Cache("model-cache", path, mount)}


def snapshot(model: str) -> dict[str, Cache]:
    return cache(f"hub/models--{model}/snapshots/<commit-hash>", "/home/dynamo/.cache/huggingface")


MEANT: dict[str, dict[str, Any]] = {
    "deployment-overview-auto-apply": REFERENCE,
    "deployment-overview-deepseek-r1": REFERENCE
    | {
        "backend": "sglang",
        "search_strategy": "thorough",
        "auto_apply": False,
        "ttft": 2000,
        "itl": 100,
        "planner": True,
    }
    | snapshot("deepseek-ai--DeepSeek-R1"),
    "deployment-overview-inspect-first": REFERENCE | {"auto_apply": False},
    "deployment-overview-llama-70b": REFERENCE
    | {"backend": "vllm", "auto_apply": False, "ttft": 500, "itl": 50, "request_rate": 10, "planner": True}
    | snapshot("meta-llama--Llama-3.1-70B-Instruct"),
    "deployment-overview-model-cache": REFERENCE | snapshot("meta-llama--Llama-3.1-70B-Instruct"),
    "deployment-overview-planner": REFERENCE | {"planner": True, "ttft": 500, "itl": 50},
    "deployment-overview-qwen-small": REFERENCE,
    "deployment-overview-rapid": REFERENCE,
    "deployment-overview-thorough": REFERENCE | {"backend": "vllm", "search_strategy": "thorough"},
    "deployment-overview-tolerations": REFERENCE,
    "deployment-overview-total-gpus": REFERENCE,
    "design-proposal-aic": PROPOSAL | {"isl": 3000, "osl": 150, "ttft": 200, "itl": 20},
    "design-proposal-api-overview": PROPOSAL | {"optimization_type": "throughput"} | cache("deepseek-r1"),
    "design-proposal-exploratory": PROPOSAL | {"auto_apply": False},
    "design-proposal-faq-private-model": PROPOSAL | cache("privateModel"),
    "design-proposal-moe": PROPOSAL | {"backend": "sglang"} | cache("deepseek-r1"),
    "design-proposal-no-sla": PROPOSAL,
    "design-proposal-overrides": PROPOSAL,
    "design-proposal-pattern-auto-backend": PROPOSAL,
    "design-proposal-pattern-auto-deploy": PROPOSAL,
    "design-proposal-pattern-exploratory": PROPOSAL | {"auto_apply": False},
    "design-proposal-pattern-rapid": PROPOSAL,
    "design-proposal-pattern-thorough": PROPOSAL | {"backend": "vllm", "search_strategy": "thorough"},
    "design-proposal-planner-kvrouter": PROPOSAL | {"planner": True, "kv_router": True},
    "design-proposal-planner-off": PROPOSAL,
    "design-proposal-planner-on": PROPOSAL | {"planner": True},
    "design-proposal-private-model": PROPOSAL | cache("privateModel"),
    "design-proposal-specific-backend": PROPOSAL | {"backend": "trtllm"},
    "design-proposal-status-field": PROPOSAL,
    "design-proposal-status-sla-warning": PROPOSAL,
    "design-proposal-thorough": PROPOSAL | {"search_strategy": "thorough"},  # with backend auto: example 3
    "dgdr-reference-deploying": REFERENCE,
    "dgdr-reference-minimal": REFERENCE,
    "dgdr-reference-ready": REFERENCE | {"auto_apply": False},
    "planner-guide-auto-apply": VLLM | {"auto_apply": True},
    "planner-guide-container-images": VLLM,
    "planner-guide-passthrough": VLLM,
    "planner-guide-sla": VLLM,
    "planner-guide-sweep-offline": OFFLINE,
    "planner-guide-sweep-online": VLLM,
    "quickstart-v0.6.1-auto-apply": VLLM | {"auto_apply": True},
    "quickstart-v0.6.1-container-images": VLLM,
    "quickstart-v0.6.1-deepseek-r1": GUIDE
    | {"backend": "sglang", "search_strategy": "rapid", "auto_apply": True}
    | {"isl": 4000, "osl": 500, "ttft": 300, "itl": 10},
    "quickstart-v0.6.1-inline-config": VLLM | {"isl": 8000, "osl": 200, "ttft": 200, "itl": 10},
    "quickstart-v0.6.1-manual-deployment": VLLM,
    "quickstart-v0.6.1-my-model-deployment": VLLM | {"auto_apply": True},
    "quickstart-v0.6.1-output-pvc": VLLM,
    "quickstart-v0.6.1-planner-passthrough": VLLM,
    "quickstart-v0.6.1-sla": VLLM,
    "quickstart-v0.6.1-sweep-offline": OFFLINE,
    "quickstart-v0.6.1-sweep-online": VLLM,
}
IMAGES = {"vllm": "vllm-runtime", "sglang": "sglang-runtime", "trtllm": "tensorrtllm-runtime"}


def test_every_request_is_looked_at() -> None:
    assert len(MANIFESTS) == 51
    assert MANIFESTS.keys() == MEANT.keys()


@pytest.mark.parametrize("name", MANIFESTS)
def test_request_is_accepted_and_means_what_the_document_says(name: str) -> None:
    request = parse_request(MANIFESTS[name])
    assert [*validate(request), *validate_overrides(request)] == []
    applied = effective(request)
    assert applied.model == MANIFESTS[name]["spec"]["model"]
    found = {field: getattr(applied, field) for field in MEANT[name]}
    assert {f: value.value if isinstance(value, Value) else value for f, value in found.items()} == MEANT[name]


@pytest.mark.parametrize("name", MANIFESTS)
def test_request_is_read_back_as_it_was_written(name: str) -> None:
    written = MANIFESTS[name]
    other = V1BETA1 if written["apiVersion"] == V1ALPHA1 else V1ALPHA1
    again = convert(convert(written, other), written["apiVersion"])
    assert again["spec"] == written["spec"]
    assert again["metadata"] == written["metadata"]


@pytest.mark.parametrize("name", [name for name, meant in MEANT.items() if meant["planner"] and meant["itl"] != 30])
def test_targets_that_are_written_are_demands(name: str) -> None:
    applied = effective(parse_request(MANIFESTS[name]))
    written = yaml.safe_dump(MANIFESTS[name])
    assert applied.ttft is not None
    assert applied.ttft.explicit is ("ttft:" in written)


def test_values_that_the_guides_write_elsewhere_reach_their_field() -> None:
    offline = parse_request(MANIFESTS["planner-guide-sweep-offline"]).spec
    assert offline.hardware is not None
    assert offline.hardware.gpu_sku == "h200_sxm"
    for name in ("quickstart-v0.6.1-planner-passthrough", "planner-guide-passthrough"):
        assert Written.of(parse_request(MANIFESTS[name]).spec).settings == {"min_endpoint": 2}
    for name, meant in MEANT.items():
        if meant["planner"] and name.startswith(("quickstart", "planner-guide")):
            image = parse_request(MANIFESTS[name]).spec.image
            assert image == f"nvcr.io/nvidia/ai-dynamo/{IMAGES[meant['backend']]}:0.6.1"


def test_base_and_an_image_of_the_workers_are_kept() -> None:
    said = preserved(parse_request(MANIFESTS["quickstart-v0.6.1-deepseek-r1"]).metadata.annotations)
    assert said.base is not None
    assert (said.base.name, said.base.key) == ("deepseek-r1-config", "disagg.yaml")
    assert said.deployment_overrides.workers_image == "nvcr.io/nvidia/ai-dynamo/sglang-runtime:0.6.1"


def test_setting_without_effect_is_said() -> None:
    data = "has no effect: the newest performance data is used"
    granularity = (
        "has no effect: estimates cost nothing, and the planner gets as many as Dynamo's own profiler measures"
    )
    config = "spec.profilingConfig.config"
    said = {name: warnings(parse_request(manifest)) for name, manifest in MANIFESTS.items()}
    assert {name: value for name, value in said.items() if value} == {
        "planner-guide-sweep-offline": [f"{config}.sweep.aicBackendVersion {data}"],
        "quickstart-v0.6.1-sweep-offline": [f"{config}.sweep.aic_backend_version {data}"],
        "quickstart-v0.6.1-inline-config": [
            f"{config}.sweep.decode_interpolation_granularity {granularity}",
            f"{config}.sweep.prefill_interpolation_granularity {granularity}",
        ],
        "quickstart-v0.6.1-deepseek-r1": [
            f"{config}.aic.backend_version {data}",
            f"{config}.aic.model_name has no effect",
        ],
    }
