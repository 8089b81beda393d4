"""Both directions, over requests as the API server sends them: also such that no schema would admit."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api import conversion
from dgdr_api.conversion import V1ALPHA1, V1BETA1
from dgdr_api.names import ANNOTATION_DEFAULTS, ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS

Json = Any
RESERVED = (ANNOTATION_DEFAULTS, ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS)


def convert(manifest: Json, version: str) -> Json:
    return conversion.convert(manifest, version)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5000)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=4)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def fields(
    known: dict[str, st.SearchStrategy[Json]], required: dict[str, st.SearchStrategy[Json]] | None = None
) -> st.SearchStrategy[Json]:
    """Objects with some of these fields, each usually with a value that fits and sometimes with any."""

    @st.composite
    def build(draw: st.DrawFn) -> Json:
        found = {name: draw(values) for name, values in (required or {}).items()}
        for name, values in known.items():
            if draw(st.booleans()):
                found[name] = draw(anything if draw(st.integers(0, 9)) == 9 else values)
        return found

    return build()


number = st.integers(1, 9000) | st.floats(0.5, 9000, width=32)
word = st.sampled_from(["a", "b", ""])
job = fields(
    {
        "template": fields(
            {
                "spec": fields(
                    {
                        "containers": st.lists(
                            st.fixed_dictionaries(
                                {"name": st.sampled_from(["profiler", "output-copier"])},
                                optional={"resources": st.just({"limits": {"cpu": 1}}), "image": word},
                            ),
                            max_size=2,
                            unique_by=lambda item: item["name"],
                        ),
                        "tolerations": st.just([]) | st.just([{"key": "x"}]),
                        "nodeSelector": st.just({}) | st.just({"zone": "a"}),
                    }
                )
            }
        ),
        "backoffLimit": st.just(0),
    }
)
SHARED = {
    "backend": st.sampled_from(["auto", "vllm", "trtllm"]),
    "image": word,
    "modelCache": fields({"pvcName": word, "pvcModelPath": word, "pvcPath": word, "mountPath": word}),
    "hardware": fields({"gpuSku": st.just("h200_sxm"), "totalGpus": st.integers(1, 32), "numGpusPerNode": st.just(8)}),
    "workload": fields({"isl": st.integers(1, 9000), "osl": st.integers(1, 9000), "concurrency": number}),
    "sla": fields({"ttft": number, "itl": number, "optimizationType": st.sampled_from(["hybrid", "latency"])}),
    "features": fields(
        {
            "planner": st.booleans() | st.just({"min_endpoint": 2}),
            "mocker": st.booleans() | st.just({"enabled": True}) | st.just({"enabled": False}),
            "kvRouter": st.booleans(),
        }
    ),
    "overrides": fields({"profilingJob": job, "dgd": anything, "trustRemoteCode": st.booleans()}),
}
config = fields(
    {
        "sla": fields({"isl": st.integers(1, 9), "osl": st.integers(1, 9), "ttft": number, "itl": number}),
        "sweep": fields(
            {
                "use_ai_configurator": st.booleans(),
                "useAiConfigurator": st.booleans(),
                "aic_system": st.just("h200_sxm"),
                "aicSystem": st.just("h100_sxm"),
            }
        ),
        "hardware": fields({"gpu_type": st.just("h200_sxm"), "num_gpus_per_node": st.just(8)}),
        "deployment": fields({"modelCache": fields({"pvcName": word, "pvcPath": word, "mountPath": word})}),
        "planner": st.booleans() | st.just({"planner_min_endpoint": 2}),
    }
)
profiling = fields(
    {
        "config": config,
        "profilerImage": word,
        "outputPVC": word,
        "configMapRef": st.just({"name": "base"}),
        "resources": st.just({}) | st.just({"limits": {"cpu": 1}}),
        "tolerations": st.just([]) | st.just([{"key": "x"}]),
        "nodeSelector": st.just({}) | st.just({"zone": "a"}),
    }
)
strategies = {"searchStrategy": st.sampled_from(["rapid", "thorough"]), "autoApply": st.booleans()}
alpha_specs = fields(
    SHARED
    | strategies
    | {
        "useMocker": st.booleans(),
        "enableGpuDiscovery": st.booleans(),
        "profilingConfig": profiling,
        "deploymentOverrides": fields({"name": word, "workersImage": word}),
    },
    {"model": st.just("m")},
)
beta_specs = fields(SHARED, {"model": st.just("m")} | strategies)
conditions = st.just([{"type": "Succeeded", "status": "True"}])
phases = st.sampled_from(["Pending", "Profiling", "Ready", "Deploying", "Deployed", "Failed"])
selected = st.just({"selectedConfig": {"spec": {"backendFramework": "vllm"}}})
states = st.sampled_from(
    ["", "Initializing", "Pending", "Profiling", "Deploying", "Ready", "DeploymentDeleted", "Failed"]
)
beta_statuses = fields(
    {
        "phase": phases,
        "dgdName": word,
        "conditions": conditions,
        "profilingResults": selected,
        "generatedDeployment": st.just({"kind": "DynamoGraphDeployment"}),
        "deploymentInfo": st.just({"replicas": 2}),
    }
)
alpha_statuses = fields(
    {
        "state": states,
        "phase": phases,
        "backend": word,
        "observedGeneration": st.integers(0, 9),
        "profilingResults": st.just("configmap/x") | selected,
        "deployment": fields({"name": word, "created": st.booleans(), "namespace": word}),
        "generatedDeployment": st.just({"kind": "DynamoGraphDeployment"}),
        "conditions": conditions,
    }
)
annotations = st.sampled_from([{"a": "1"}, {"nvidia.com/x": ""}, {"a": "", "nvidia.com/x": "y"}])


def requests(
    version: str, specs: st.SearchStrategy[Json], statuses: st.SearchStrategy[Json]
) -> st.SearchStrategy[Json]:
    metadata = st.fixed_dictionaries({"name": st.just("r")}, optional={"annotations": annotations})
    return st.fixed_dictionaries(
        {"apiVersion": st.just(version), "kind": st.just("DynamoGraphDeploymentRequest"), "metadata": metadata},
        optional={"spec": specs | anything, "status": statuses | anything},
    )


alpha = requests(V1ALPHA1, alpha_specs, alpha_statuses)
beta = requests(V1BETA1, beta_specs, beta_statuses)


@given(alpha)
def test_v1alpha1_is_read_back_as_it_was_written(written: Json) -> None:
    before = copy.deepcopy(written)
    stored = convert(written, V1BETA1)
    assert written == before
    assert stored["apiVersion"] == V1BETA1
    read = convert(stored, V1ALPHA1)
    status, status_before = read.pop("status", None), before.pop("status", None)
    assert read == before
    if isinstance(status_before, dict):  # it says more: what v1alpha1 calls by its own words
        assert {field: status.get(field) for field in status_before} == status_before
    else:
        assert status == status_before


@given(beta)
def test_stored_request_is_the_same_after_it_was_read_as_v1alpha1(stored: Json) -> None:
    before = copy.deepcopy(stored)
    assert convert(convert(stored, V1ALPHA1), V1BETA1) == before
    assert stored == before


@given(alpha)
def test_request_that_came_from_v1alpha1_is_stored_the_same_again(written: Json) -> None:
    stored = convert(written, V1BETA1)
    assert convert(convert(stored, V1ALPHA1), V1BETA1) == stored


@given(requests(V1ALPHA1, alpha_specs, alpha_statuses), beta_specs, beta_statuses)
def test_edit_of_what_is_stored_reaches_who_reads_v1alpha1(written: Json, spec: Json, status: Json) -> None:
    """The edit wins over what was kept, wherever it is said then: converted back it is the same."""
    stored = convert(written, V1BETA1)
    edited = {**stored, "spec": spec, "status": status}
    again = convert(convert(edited, V1ALPHA1), V1BETA1)
    assert again["spec"] == spec
    assert again["status"] == status


UNREADABLE = [
    *("", "[]", "{", "1", "[" * 5000),
    *(r'{"backend":"\ud800"}', r'{"\udc00":1}', '{"a":"\ud800"}', '{"a":NaN}', '{"a":-Infinity}', '{"a":1e999}'),
    '{"a":' + "[" * 250 + "]" * 250 + "}",
]


@pytest.mark.parametrize("text", [*UNREADABLE, '{"profilingConfig": 3}'])
def test_annotation_that_somebody_broke_stays_as_it_is(text: str) -> None:
    stored = {
        "apiVersion": V1BETA1,
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r", "annotations": {ANNOTATION_PRESERVED: text, ANNOTATION_DEFAULTS: "v1alpha1"}},
        "spec": {"model": "m", "searchStrategy": "rapid", "autoApply": True},
    }
    again = convert(convert(stored, V1ALPHA1), V1BETA1)
    assert again["spec"] == stored["spec"]
    if text not in UNREADABLE:
        assert json.loads(again["metadata"]["annotations"][ANNOTATION_PRESERVED])["profilingConfig"] == 3
    else:
        assert again == stored


@pytest.mark.parametrize("name", RESERVED)
def test_annotations_of_conversion_are_not_seen_in_v1alpha1(name: str) -> None:
    written = {
        "apiVersion": V1ALPHA1,
        "metadata": {"name": "r"},
        "spec": {"model": "m", "profilingConfig": {"config": {"sla": {"isl": 1}}}},
        "status": {"state": "Initializing"},
    }
    stored = convert(written, V1BETA1)
    assert name in stored["metadata"]["annotations"]
    assert "annotations" not in convert(stored, V1ALPHA1)["metadata"]


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("name", [ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS])
def test_preserved_fields_that_cannot_be_written_again_stay_in_their_annotation(name: str, text: str) -> None:
    stored = {
        "apiVersion": V1BETA1,
        "metadata": {"name": "r", "annotations": {name: text}},
        "spec": {"model": "m"},
        "status": {"phase": "Ready"},
    }
    read = convert(stored, V1ALPHA1)
    assert read["metadata"]["annotations"][name] == text
    json.dumps({field: read[field] for field in ("spec", "status")}, allow_nan=False, ensure_ascii=False).encode()
    assert convert(read, V1BETA1) == stored


def test_version_of_any_length_is_named_in_a_short_message() -> None:
    for known, wanted in (("x" * 10**6, V1BETA1), (V1BETA1, "x" * 10**6)):
        with pytest.raises(conversion.UnknownVersionError, match=r"x….*there are nvidia\.com/v1alpha1 and") as caught:
            convert({"apiVersion": known}, wanted)
        assert len(str(caught.value)) < 1000


def test_phase_that_was_nothing_does_not_come_back_as_one() -> None:
    written = {
        "apiVersion": V1ALPHA1,
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r"},
        "spec": {"model": "m"},
    }
    stored = convert(written | {"status": {"state": "", "phase": None}}, V1BETA1)
    assert convert(convert(stored, V1ALPHA1), V1BETA1) == stored
    edited = stored | {"status": {}}
    assert "phase" not in convert(convert(edited, V1ALPHA1), V1BETA1).get("status", {})
