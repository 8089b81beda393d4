"""The rules beyond the shape of fields, each with upstream's sentence and with the valid neighbour."""

from collections.abc import Callable

import pytest

from dgdr_api.gpus import GPUS
from dgdr_api.parse import parse_request
from dgdr_api.validation import validate, warnings

Build = Callable[..., dict[str, object]]

NO_VERSION = (
    "spec.runtimeVersionOverride: Required value: is required when spec.image has no parseable semantic-version tag"
)
THOROUGH_AUTO = (
    'spec.searchStrategy: Invalid value: "thorough": is incompatible with spec.backend "auto"; '
    "set spec.backend to a specific backend (sglang, trtllm, or vllm)"
)
BOTH_LOADS = "spec.workload: Forbidden: Only one of 'concurrency' or 'requestRate' can be provided, not both."
BOTH_TARGETS = "spec.sla: Forbidden: SLA must specify either (ttft and itl) or e2eLatency, not both."
DIGEST = "@sha256:" + "0" * 64


def problems(manifest: dict[str, object]) -> list[str]:
    return [str(error) for error in validate(parse_request(manifest))]


@pytest.mark.parametrize("name", ["q", "qwen-3", "a1", "a" * 33])
def test_name_that_services_can_carry_is_valid(manifest: Build, name: str) -> None:
    assert problems(manifest(metadata={"name": name})) == []


@pytest.mark.parametrize("name", ["3qwen", "-qwen", "qwen-", "Qwen", "qwen.3", "qwen_3", "qwén", "qwen\n"])
def test_name_that_no_service_can_carry_is_invalid(manifest: Build, name: str) -> None:
    right = "must start with a lower-case letter and hold only lower-case letters, digits and '-'"
    assert problems(manifest(metadata={"name": name})) == [
        f'metadata.name: Invalid value: "{name}": {right} (Services are named after it)'
    ]


@pytest.mark.parametrize("length", [34, 55])
def test_name_must_leave_room_for_the_longest_component(manifest: Build, length: int) -> None:
    name = "a" * length
    right = "may have 45 characters together: use at most 33 here"
    assert problems(manifest(metadata={"name": name})) == [
        f'metadata.name: Too long: the deployment "{name}-dgd" and its component "Frontend" {right}'
    ]


@pytest.mark.parametrize("length", [56, 253])
def test_name_over_55_characters_is_too_long_for_a_service(manifest: Build, length: int) -> None:
    assert problems(manifest(metadata={"name": "a" * length})) == [
        "metadata.name: Too long: must have at most 55 characters"
    ]


@pytest.mark.parametrize("namespace", ["dynamo", "3-dynamo", "a", "a" * 63, None])
def test_namespace_is_a_dns_label(manifest: Build, namespace: str | None) -> None:
    assert problems(manifest(metadata={"name": "q", "namespace": namespace})) == []


@pytest.mark.parametrize("namespace", ["", "Dynamo", "a.b", "-a", "a-", "a" * 64, "a\n"])
def test_namespace_of_another_form_is_invalid(manifest: Build, namespace: str) -> None:
    assert problems(manifest(metadata={"name": "q", "namespace": namespace})) == [
        f'metadata.namespace: Invalid value: "{namespace}": must be a DNS label (RFC 1123)'
    ]


def test_model_of_spaces_is_missing(manifest: Build) -> None:
    assert problems(manifest({"model": " \t"})) == ["spec.model: Required value"]


@pytest.mark.parametrize(
    "image",
    [
        "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1",
        "planner:v1.6.1",
        "localhost:5000/planner:1.6.1",
        "localhost:5000/planner:1.6.1" + DIGEST,
        "planner:1.6.1-rc.1",
        "planner:1.6.1-0a1",
    ],
)
def test_image_with_a_version_says_the_runtime_version(manifest: Build, image: str) -> None:
    assert problems(manifest({"image": image})) == []


@pytest.mark.parametrize(
    "image",
    [
        "planner",
        "planner:latest",
        "planner:1.6",
        "planner:1.6.1.0",
        "planner:01.6.1",
        "planner:vv1.6.1",
        "planner:1.6.1_cuda",
        "localhost:5000/planner",
        "localhost:5000/planner" + DIGEST,
        "planner:main" + DIGEST,
        "planner:1.6.1-rc..1",  # semver.org, item 9: identifiers must not be empty
        "planner:1.6.1-0814",  # the same: nor numbers with a leading zero (nightly tags); upstream asks, too
    ],
)
def test_image_without_a_version_needs_the_runtime_version(manifest: Build, image: str) -> None:
    assert problems(manifest({"image": image})) == [NO_VERSION]
    assert problems(manifest({"image": image, "runtimeVersionOverride": "1.6.1"})) == []


def test_thorough_needs_a_backend(manifest: Build) -> None:
    assert problems(manifest({"searchStrategy": "thorough"})) == [THOROUGH_AUTO]
    assert problems(manifest({"searchStrategy": "thorough", "backend": "auto"})) == [THOROUGH_AUTO]


@pytest.mark.parametrize(
    ("strategy", "backend"), [("thorough", "vllm"), ("thorough", "sglang"), ("thorough", "trtllm"), ("rapid", "auto")]
)
def test_backend_or_rapid_is_enough(manifest: Build, strategy: str, backend: str) -> None:
    assert problems(manifest({"searchStrategy": strategy, "backend": backend})) == []


@pytest.mark.parametrize("cache", [{}, {"pvcModelPath": "a"}])
def test_model_cache_needs_its_claim(manifest: Build, cache: dict[str, str]) -> None:
    assert problems(manifest({"modelCache": cache})) == ["spec.modelCache.pvcName: Required value"]


@pytest.mark.parametrize(
    "paths",
    [
        {},
        {"pvcModelPath": "a", "pvcPath": "a", "modelPathInPvc": "a"},
        {"pvcMountPath": "/m", "mountPath": "/m"},
        {"pvcPath": "a", "mountPath": "/m"},
    ],
)
def test_synonyms_that_agree_are_valid(manifest: Build, paths: dict[str, str]) -> None:
    assert problems(manifest({"modelCache": {"pvcName": "weights", **paths}})) == []


@pytest.mark.parametrize(
    ("paths", "wrong", "first"),
    [
        ({"pvcModelPath": "a", "pvcPath": "b"}, "pvcPath", "pvcModelPath"),
        ({"pvcModelPath": "a", "modelPathInPvc": "b"}, "modelPathInPvc", "pvcModelPath"),
        ({"pvcMountPath": "a", "mountPath": "b"}, "mountPath", "pvcMountPath"),
        ({"pvcPath": "a", "modelPathInPvc": "b"}, "modelPathInPvc", "pvcPath"),
    ],
)
def test_synonyms_that_disagree_name_both_fields_that_were_written(
    manifest: Build, paths: dict[str, str], wrong: str, first: str
) -> None:
    assert problems(manifest({"modelCache": {"pvcName": "weights", **paths}})) == [
        f'spec.modelCache.{wrong}: Invalid value: "b": is an alias of {first}, which is "a"; set only one of them'
    ]


def test_unknown_gpu_lists_those_that_are_known(manifest: Build) -> None:
    known = ", ".join(f'"{gpu.sku}"' for gpu in GPUS)
    assert problems(manifest({"hardware": {"gpuSku": "voodoo2"}})) == [
        f'spec.hardware.gpuSku: Unsupported value: "voodoo2": supported values: {known}'
    ]
    (message,) = problems(manifest({"hardware": {"gpuSku": "H200-SXM"}}))
    assert f'"H200-SXM": did you mean "h200_sxm"? supported values: {known}' in message


@pytest.mark.parametrize("sku", [gpu.sku for gpu in GPUS])
def test_known_gpu_is_valid_and_not_deprecated(manifest: Build, sku: str) -> None:
    written = manifest({"hardware": {"gpuSku": sku}})
    assert problems(written) == []
    assert warnings(parse_request(written)) == []


def test_old_gpu_name_is_valid_and_deprecated(manifest: Build) -> None:
    written = manifest({"hardware": {"gpuSku": "gb200_sxm"}})
    assert problems(written) == []
    assert warnings(parse_request(written)) == [
        'spec.hardware.gpuSku: "gb200_sxm" is deprecated; use "gb200"',
    ]


@pytest.mark.parametrize("hardware", [None, {}, {"totalGpus": 8}])
def test_absent_gpu_name_is_not_deprecated(manifest: Build, hardware: object) -> None:
    assert warnings(parse_request(manifest({"hardware": hardware}))) == []


@pytest.mark.parametrize(
    ("part", "values", "expected"),
    [
        ("workload", {"concurrency": 1}, []),
        ("workload", {"requestRate": 0.1}, []),
        ("workload", {"concurrency": 1, "requestRate": 0.1}, [BOTH_LOADS]),
        ("sla", {"ttft": 1, "itl": 1}, []),
        ("sla", {"ttft": 1}, []),
        ("sla", {"e2eLatency": 1}, []),
        ("sla", {"e2eLatency": 1, "optimizationType": "latency"}, []),
        ("sla", {"e2eLatency": 1, "ttft": 1}, [BOTH_TARGETS]),
        ("sla", {"e2eLatency": 1, "itl": 1}, [BOTH_TARGETS]),
        ("sla", {"e2eLatency": 1, "ttft": 1, "itl": 1}, [BOTH_TARGETS]),
    ],
)
def test_load_and_target_are_each_of_one_kind(
    manifest: Build, part: str, values: dict[str, object], expected: list[str]
) -> None:
    assert problems(manifest({part: values})) == expected


@pytest.mark.parametrize("field", ["parallelism", "completions"])
def test_profiling_job_has_one_pod(manifest: Build, field: str) -> None:
    most = "must be less than or equal to 1 (the profiling Job is one pod that writes one result)"
    assert problems(manifest({"overrides": {"profilingJob": {field: 1, "backoffLimit": 7}}})) == []
    assert problems(manifest({"overrides": {"profilingJob": {field: 2}}})) == [
        f"spec.overrides.profilingJob.{field}: Invalid value: 2: {most}"
    ]


def test_errors_are_reported_all_at_once_in_the_order_of_the_fields(manifest: Build) -> None:
    broken = {
        "model": " ",
        "image": "planner:latest",
        "searchStrategy": "thorough",
        "modelCache": {},
        "hardware": {"gpuSku": "h1"},
        "workload": {"concurrency": 1, "requestRate": 1},
        "sla": {"ttft": 1, "e2eLatency": 1},
        "overrides": {"profilingJob": {"parallelism": 2, "completions": 2}},
    }
    found = problems(manifest(broken, metadata={"name": "3", "namespace": "A"}))
    assert [problem.partition(":")[0] for problem in found] == [
        "metadata.name",
        "metadata.namespace",
        "spec.model",
        "spec.runtimeVersionOverride",
        "spec.searchStrategy",
        "spec.modelCache.pvcName",
        "spec.hardware.gpuSku",
        "spec.workload",
        "spec.sla",
        "spec.overrides.profilingJob.parallelism",
        "spec.overrides.profilingJob.completions",
    ]


PROFILES = {"dgdr.nvidia.com/profiler": "image"}
BASE = '{"profilingConfig": {"configMapRef": {"name": "base"}}}'
IMAGE = "r.io/dynamo-planner:1.6.1"


@pytest.mark.parametrize(
    ("spec", "annotations", "fields"),
    [
        ({"image": IMAGE}, {}, []),
        ({}, {}, ["spec.image"]),
        ({"image": IMAGE, "searchStrategy": "thorough", "backend": "vllm"}, {},
         ["spec.overrides.profilingJob.template.spec.serviceAccountName"]),
        ({"image": IMAGE}, {"nvidia.com/dgdr-spec": BASE}, ["spec.profilingConfig.configMapRef"]),
    ],
)  # fmt: skip
def test_image_that_profiles_is_asked_for_what_it_can_do(
    manifest: Build, spec: dict[str, object], annotations: dict[str, str], fields: list[str]
) -> None:
    asked = manifest(metadata={"name": "q", "annotations": PROFILES | annotations}, spec={"model": "m"} | spec)
    assert [error.path for error in validate(parse_request(asked))] == fields
    assert not validate(parse_request(manifest(metadata={"name": "q"}, spec={"model": "m"})))


def test_image_that_measures_has_an_account_to_deploy_with(manifest: Build) -> None:
    job = {"template": {"spec": {"serviceAccountName": "deployer"}}}
    spec = {"model": "m", "image": IMAGE, "searchStrategy": "thorough", "backend": "vllm"}
    asked = manifest(metadata={"name": "q", "annotations": PROFILES}, spec=spec | {"overrides": {"profilingJob": job}})
    assert problems(asked) == []
