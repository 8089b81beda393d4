"""What users write reaches a real API server, is converted and judged there by our webhooks, and can be read back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgdr_api import effective, parse_request
from dgdr_api.names import ANNOTATION_DEFAULTS, ANNOTATION_GENERATED, ANNOTATION_PRESERVED

pytestmark = pytest.mark.cluster

Json = Any
ROOT = Path(__file__).parent.parent.parent
MANIFESTS = sorted((ROOT / "test" / "config" / "documents" / "manifests").glob("*.yaml"))
SAMPLES = [path for path in sorted((ROOT / "config" / "samples").glob("*.yaml")) if path.stem != "kustomization"]
FILLED = {"backend": "auto", "searchStrategy": "rapid", "autoApply": True}


def beta(**spec: Json) -> Json:
    return {"apiVersion": "nvidia.com/v1beta1", "spec": {"model": "m", **spec}}


def alpha(**spec: Json) -> Json:
    return {"apiVersion": "nvidia.com/v1alpha1", "spec": {"model": "m", **spec}}


@pytest.mark.parametrize("path", [*MANIFESTS, *SAMPLES], ids=lambda path: path.stem)
def test_every_request_of_the_documents_and_of_ours_is_stored_and_read_in_both_versions(
    requests: Any, path: Path
) -> None:
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    name = requests.create(written)["metadata"]["name"]
    stored, read = requests.get(name, "v1beta1"), requests.get(name, "v1alpha1")
    assert effective(parse_request(stored)) == effective(parse_request(read))
    assert effective(parse_request(stored)).model == written["spec"]["model"]
    mine = read if written["apiVersion"].endswith("v1alpha1") else stored
    assert without_defaults(mine["spec"], written["spec"]) == written["spec"]
    assert meaning(stored) == meaning({**written, "metadata": {**written["metadata"], "annotations": {}}})


def without_defaults(spec: Json, written: Json) -> Json:
    """Return a spec without what the schema fills in."""
    return {field: value for field, value in spec.items() if field in written or value != FILLED.get(field)}


def meaning(manifest: Json) -> Json:
    """Return what a request means, but for whether the user wrote what the schema fills in."""
    found = effective(parse_request(manifest))
    names = ("backend", "search_strategy", "auto_apply")
    return [getattr(found, name).value for name in names], [
        getattr(found, name) for name in found.__slots__ if name not in names
    ]


numbers = st.integers(1, 5000)
alpha_specs = st.fixed_dictionaries(
    {"model": st.just("m")},
    optional={
        "backend": st.sampled_from(["vllm", "sglang"]),
        "autoApply": st.booleans(),
        "searchStrategy": st.sampled_from(["rapid", "thorough"]),
        "useMocker": st.booleans(),
        "workload": st.fixed_dictionaries({}, optional={"osl": numbers}),
        "features": st.fixed_dictionaries({}, optional={"kvRouter": st.booleans(), "planner": st.booleans()}),
        "profilingConfig": st.fixed_dictionaries(
            {},
            optional={
                "profilerImage": st.just("r.io/i:1.6.1"),
                "outputPVC": st.just("pvc"),
                "configMapRef": st.just({"name": "base", "key": "x.yaml"}),
                "nodeSelector": st.just({"zone": "a"}),
                "tolerations": st.just([{"key": "x", "operator": "Exists"}]),
                "resources": st.just({"limits": {"cpu": "2"}}),
                "config": st.fixed_dictionaries(
                    {},
                    optional={
                        "sla": st.fixed_dictionaries({}, optional={"isl": numbers, "ttft": numbers}),
                        "hardware": st.just({"gpu_type": "h200_sxm"}),
                        "other": st.just({"a": [1, {"b": None}]}),
                    },
                ),
            },
        ),
        "deploymentOverrides": st.fixed_dictionaries({}, optional={"labels": st.just({"a": "b"})}),
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=alpha_specs)
def test_request_of_v1alpha1_is_read_back_word_by_word(requests: Any, spec: Json) -> None:
    created = requests.create({"apiVersion": "nvidia.com/v1alpha1", "spec": spec})
    read = requests.get(created["metadata"]["name"], "v1alpha1")
    assert without_defaults(read["spec"], spec) == spec
    assert "annotations" not in read["metadata"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=alpha_specs)
def test_stored_request_stays_the_same_when_it_is_written_through_the_other_version(requests: Any, spec: Json) -> None:
    name = requests.create({"apiVersion": "nvidia.com/v1alpha1", "spec": spec})["metadata"]["name"]
    before = requests.get(name)
    requests.change(name, {"metadata": {"labels": {"seen": "yes"}}}, "v1alpha1")
    after = requests.get(name)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_request_of_v1beta1_is_edited_as_v1alpha1(requests: Any) -> None:
    name = requests.create(beta(hardware={"totalGpus": 4}))["metadata"]["name"]
    assert requests.get(name, "v1alpha1")["metadata"]["annotations"] == {ANNOTATION_DEFAULTS: "v1beta1"}
    requests.change(name, {"spec": {"workload": {"isl": 5}}}, "v1alpha1")
    stored = requests.get(name)
    assert stored["spec"] == {**FILLED, "model": "m", "hardware": {"totalGpus": 4}, "workload": {"isl": 5}}
    assert "annotations" not in stored["metadata"]
    assert effective(parse_request(stored)).osl.value == 1000


def test_status_is_read_in_both_versions(requests: Any) -> None:
    name = requests.create(alpha())["metadata"]["name"]
    graph = {"spec": {"backendFramework": "vllm"}}
    told = {"phase": "Deployed", "dgdName": "d", "profilingResults": {"selectedConfig": graph}}
    requests.tell(name, told)
    read = requests.get(name, "v1alpha1")["status"]
    assert read == {
        **told,
        "state": "Ready",
        "backend": "vllm",
        "deployment": {"name": "d", "state": "successful", "created": True},
    }
    assert requests.get(name)["status"] == told


def test_v1alpha1_is_deprecated_in_upstreams_words(api_server: Any, requests: Any) -> None:
    definition = api_server.request(
        "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/dynamographdeploymentrequests.nvidia.com"
    )
    (version,) = (entry for entry in definition["spec"]["versions"] if entry["name"] == "v1alpha1")
    assert version["deprecationWarning"] == (
        "nvidia.com/v1alpha1 DynamoGraphDeploymentRequest is deprecated; "
        "use nvidia.com/v1beta1 DynamoGraphDeploymentRequest"
    )
    assert requests.create(alpha())["apiVersion"] == "nvidia.com/v1alpha1"


REFUSED = [
    (
        beta(sla={"ttft": 1, "e2eLatency": 1}),
        "spec.sla: Forbidden: SLA must specify either (ttft and itl) or e2eLatency, not both.",
    ),
    (
        beta(workload={"concurrency": 1, "requestRate": 1}),
        "spec.workload: Forbidden: Only one of 'concurrency' or 'requestRate' can be provided, not both.",
    ),
    (
        beta(searchStrategy="thorough"),
        (
            'spec.searchStrategy: Invalid value: "thorough": is incompatible with spec.backend "auto"; '
            "set spec.backend to a specific backend (sglang, trtllm, or vllm)"
        ),
    ),
    (
        beta(image="r.io/i:latest"),
        (
            "spec.runtimeVersionOverride: Required value: is required when spec.image has no parseable "
            "semantic-version tag"
        ),
    ),
    (beta(features={"planner": 5}), "spec.features.planner"),
    (beta(features={"planner": {"min_endpoint": "two"}}), "spec.features.planner.min_endpoint"),
    (beta(hardware={"gpuSku": "H100"}), "spec.hardware.gpuSku"),
    (beta(overrides={"dgd": {"status": {}}}), "spec.overrides.dgd.status"),
    (beta(modelCache={"pvcPath": "a"}), "spec.modelCache.pvcName: Required value"),
    ({**beta(), "metadata": {"name": "x" * 56}}, "metadata.name: Too long"),
    ({**beta(), "metadata": {"name": "1x"}}, "metadata.name: Invalid value"),
    (alpha(profilingConfig={"config": {"sla": {"isl": 0}}}), "spec.profilingConfig.config.sla.isl: Invalid value: 0"),
    (
        alpha(profilingConfig={"config": {"sla": {"isl": 3}}}, workload={"isl": 4}),
        "spec.workload.isl: Invalid value: 4: spec.profilingConfig.config.sla.isl is 3; set only one of them",
    ),
    (alpha(deploymentOverrides={"namespace": "other"}), "spec.deploymentOverrides.namespace"),
]


@pytest.mark.parametrize(("manifest", "message"), REFUSED, ids=[message[:60] for _, message in REFUSED])
def test_request_that_cannot_be_deployed_is_refused_at_once(
    refusal: Callable[[Json], Any], manifest: Json, message: str
) -> None:
    refused = refusal(manifest)
    assert refused.code == 422
    head = 'admission webhook "vdynamographdeploymentrequest.kb.io" denied the request: '
    assert refused.message.startswith(f'{head}DynamoGraphDeploymentRequest.nvidia.com "')
    assert '" is invalid: ' in refused.message
    assert message in refused.message
    assert refused.fields == [message.partition(":")[0]]


@pytest.mark.parametrize(
    ("manifest", "field"),
    [
        (beta(backend="triton"), "spec.backend"),
        (alpha(backend="triton"), "spec.backend"),
        (beta(sla={"optimizationType": "cost"}), "spec.sla.optimizationType"),
        (beta(model=""), "spec.model"),
        (alpha(useMocker="x"), "spec.useMocker"),
        (alpha(profilingConfig=5), "spec.profilingConfig"),
        ({"apiVersion": "nvidia.com/v1alpha1", "spec": {}}, "spec.model"),
    ],
)
def test_request_that_the_schema_refuses_is_refused_in_its_own_version(
    refusal: Callable[[Json], Any], manifest: Json, field: str
) -> None:
    refused = refusal(manifest)
    assert refused.code == 422
    assert field in refused.fields


def test_copy_of_a_request_does_not_carry_the_outcome_of_the_other_one(requests: Any) -> None:
    copied = {**beta(), "metadata": {"annotations": {ANNOTATION_GENERATED: "old", "mine": "kept"}}}
    assert requests.create(copied)["metadata"]["annotations"] == {"mine": "kept"}
    assert "annotations" not in requests.create({**beta(), "metadata": {"annotations": {}}})["metadata"]


def test_update_is_judged_like_a_new_request(requests: Any) -> None:
    name = requests.create(beta(image="r.io/i:1.6.1", autoApply=False))["metadata"]["name"]
    with pytest.raises(Exception, match=r"spec\.runtimeVersionOverride: Required value"):
        requests.change(name, {"spec": {"image": "r.io/i:latest"}})
    kept = '{"profilingConfig":{"config":{"sla":{"isl":0}}}}'
    with pytest.raises(Exception, match=r"sla\.isl"):
        requests.change(name, {"metadata": {"annotations": {ANNOTATION_PRESERVED: kept}}})
    assert requests.change(name, {"metadata": {"labels": {"a": "b"}}})["metadata"]["labels"] == {"a": "b"}
