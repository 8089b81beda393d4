"""One set of rules in two languages: what the API server stores we can read, and what we refuse it refuses."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dgdr_api.errors import InvalidRequestError
from dgdr_api.parse import parse_request

pytestmark = pytest.mark.cluster

numbers = st.sampled_from([-1, 0, 1, 7, 2**31 - 1, 2**31, 10**9, 10**9 + 1, 0.5, 81559.5])
words = st.sampled_from(["", "a", "auto", "vllm", "thorough", "latency", "1.6.1", "1.06.1", "1.6", "4000"])
values = st.one_of(numbers, words, st.booleans(), st.just([]), st.just({}), st.just({"a": 1}))
SPEC: dict[str, tuple[str, ...]] = {
    "modelCache": ("pvcName", "pvcModelPath", "pvcMountPath", "pvcPath", "modelPathInPvc", "mountPath"),
    "hardware": ("gpuSku", "vramMb", "totalGpus", "numGpusPerNode", "interconnect", "rdma"),
    "workload": ("isl", "osl", "concurrency", "requestRate"),
    "sla": ("ttft", "itl", "e2eLatency", "optimizationType"),
}
PLAIN = ("model", "backend", "image", "runtimeVersionOverride", "searchStrategy", "autoApply", *SPEC)


@st.composite
def _spec(draw: st.DrawFn) -> dict[str, object]:
    """One or two fields with any value, beside a good model."""
    spec: dict[str, Any] = {"model": "Qwen/Qwen3-32B"}
    for _ in range(draw(st.integers(1, 2))):
        if draw(st.booleans()):
            spec[draw(st.sampled_from(PLAIN))] = draw(values)
        else:
            parent = draw(st.sampled_from(sorted(SPEC)))
            spec[parent] = {draw(st.sampled_from([*SPEC[parent], "unknown"])): draw(values)}
    return spec


def taken_by_us(spec: dict[str, object]) -> bool:
    top = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest", "metadata": {"name": "r"}}
    try:
        parse_request({**top, "spec": spec})
    except InvalidRequestError:
        return False
    return True


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=_spec())
@example(spec={"model": "m", "workload": {"isl": 1}})
@example(spec={"model": "m", "hardware": {"vramMb": 1000000000}})
def test_models_take_what_the_api_server_takes(requests: Any, spec: dict[str, object]) -> None:
    assert taken_by_us(spec) is requests.takes(spec)
