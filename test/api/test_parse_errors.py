"""What `kubectl apply` would refuse is refused with the path of the field, its value and what would be right."""

import datetime as dt
import math
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.parse import parse_request

Build = Callable[..., dict[str, object]]

INTEGERS = [("workload", "isl"), ("workload", "osl"), ("hardware", "totalGpus"), ("hardware", "numGpusPerNode")]
NUMBERS = [
    ("workload", "concurrency"),
    ("workload", "requestRate"),
    ("sla", "ttft"),
    ("sla", "itl"),
    ("sla", "e2eLatency"),
    ("hardware", "vramMb"),
]
STRINGS = [
    ("modelCache", "pvcName"),
    ("modelCache", "pvcModelPath"),
    ("modelCache", "pvcMountPath"),
    ("modelCache", "pvcPath"),
    ("modelCache", "modelPathInPvc"),
    ("modelCache", "mountPath"),
    ("hardware", "gpuSku"),
    ("hardware", "interconnect"),
]
FEATURES = ["planner", "kvRouter", "mocker"]


def messages(manifest: object) -> list[str]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(manifest)
    assert str(caught.value) == "\n".join(str(error) for error in caught.value.errors)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"bakend": "vllm"}, 'spec.bakend: Unknown field: did you mean "backend"?'),
        ({"sla": {"ttfd": 1}}, 'spec.sla.ttfd: Unknown field: did you mean "ttft"?'),
        ({"sla": {"e2elatency": 1}}, 'spec.sla.e2elatency: Unknown field: did you mean "e2eLatency"?'),
        (
            {"overrides": {"profilingjob": {}}},
            'spec.overrides.profilingjob: Unknown field: did you mean "profilingJob"?',
        ),
        ({"features": {"planer": True}}, 'spec.features.planer: Unknown field: did you mean "planner"?'),
        ({"hardware": {"gpuSKU": "l4"}}, 'spec.hardware.gpuSKU: Unknown field: did you mean "gpuSku"?'),
    ],
)
def test_unknown_field_suggests_the_known_one(manifest: Build, spec: dict[str, object], message: str) -> None:
    assert messages(manifest(spec)) == [message]


def test_unknown_field_at_the_top_suggests_the_known_one(manifest: Build) -> None:
    assert messages(manifest(spek={})) == ['spek: Unknown field: did you mean "spec"?']


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"zzz": 1}, "spec.zzz"),
        ({"sla": {"zzz": 1}}, "spec.sla.zzz"),
        ({"modelCache": {"claim": ""}}, "spec.modelCache.claim"),
    ],
)
def test_unknown_field_without_resemblance_gets_no_suggestion(
    manifest: Build, spec: dict[str, object], path: str
) -> None:
    assert messages(manifest(spec)) == [f"{path}: Unknown field"]


@pytest.mark.parametrize(
    ("spec", "path", "known"),
    [
        ({"auto_apply": False}, "spec.auto_apply", "autoApply"),
        ({"modelCache": {"pvc_name": "x"}}, "spec.modelCache.pvc_name", "pvcName"),
        ({"sla": {"e2e_latency": 1}}, "spec.sla.e2e_latency", "e2eLatency"),
    ],
)
def test_python_names_are_unknown_on_the_wire(manifest: Build, spec: dict[str, object], path: str, known: str) -> None:
    assert messages(manifest(spec)) == [f'{path}: Unknown field: did you mean "{known}"?']


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"backend": "tgi"},
            'spec.backend: Unsupported value: "tgi": supported values: "auto", "sglang", "trtllm", "vllm"',
        ),
        (
            {"searchStrategy": "RAPID"},
            'spec.searchStrategy: Unsupported value: "RAPID": supported values: "rapid", "thorough"',
        ),
        (
            {"sla": {"optimizationType": 1}},
            'spec.sla.optimizationType: Unsupported value: 1: supported values: "hybrid", "latency", "throughput"',
        ),
    ],
)
def test_value_outside_an_enum_lists_the_supported_ones(manifest: Build, spec: dict[str, object], message: str) -> None:
    assert messages(manifest(spec)) == [message]


@pytest.mark.parametrize(("value", "shown"), [("4000", '"4000"'), (True, "true"), (1.5, "1.5"), ([], "[]")])
@pytest.mark.parametrize(("parent", "field"), INTEGERS)
def test_integer_is_nothing_else(manifest: Build, parent: str, field: str, value: object, shown: str) -> None:
    expected = f"spec.{parent}.{field}: Invalid value: {shown}: must be an integer"
    assert messages(manifest({parent: {field: value}})) == [expected]


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize(("parent", "field"), INTEGERS)
def test_integer_is_at_least_one(manifest: Build, parent: str, field: str, value: int) -> None:
    expected = f"spec.{parent}.{field}: Invalid value: {value}: must be at least 1"
    assert messages(manifest({parent: {field: value}})) == [expected]


@pytest.mark.parametrize(("parent", "field"), INTEGERS)
@pytest.mark.parametrize("value", [2**31, 10**400], ids=["2**31", "10**400"])
def test_integer_fits_the_int32_of_the_cluster(manifest: Build, parent: str, field: str, value: int) -> None:
    (message,) = messages(manifest({parent: {field: value}}))
    assert message.startswith(f"spec.{parent}.{field}: Invalid value")


@pytest.mark.parametrize(
    ("value", "shown", "right"),
    [
        ("30", '"30"', "a number"),
        (True, "true", "a number"),
        ({}, "{}", "a number"),
        (math.nan, "NaN", "a finite number"),
        (math.inf, "Infinity", "a finite number"),
        (0, "0", "greater than 0"),
        (-0.5, "-0.5", "greater than 0"),
    ],
)
@pytest.mark.parametrize(("parent", "field"), NUMBERS)
def test_number_is_finite_and_positive(
    manifest: Build, parent: str, field: str, value: object, shown: str, right: str
) -> None:
    expected = f"spec.{parent}.{field}: Invalid value: {shown}: must be {right}"
    assert messages(manifest({parent: {field: value}})) == [expected]


@pytest.mark.parametrize(("parent", "field"), STRINGS)
@pytest.mark.parametrize(("value", "shown"), [(7, "7"), (True, "true"), ({}, "{}")])
def test_string_is_nothing_else(manifest: Build, parent: str, field: str, value: object, shown: str) -> None:
    expected = f"spec.{parent}.{field}: Invalid value: {shown}: must be a string"
    assert messages(manifest({parent: {field: value}})) == [expected]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"model": 7}, "spec.model: Invalid value: 7: must be a string"),
        ({"model": ""}, 'spec.model: Invalid value: "": must not be empty'),
        ({"modelCache": {"pvcName": ""}}, 'spec.modelCache.pvcName: Invalid value: "": must not be empty'),
        ({"image": 7}, "spec.image: Invalid value: 7: must be a string"),
        ({"autoApply": "true"}, 'spec.autoApply: Invalid value: "true": must be true or false'),
        ({"autoApply": 1}, "spec.autoApply: Invalid value: 1: must be true or false"),
        ({"hardware": {"rdma": "yes"}}, 'spec.hardware.rdma: Invalid value: "yes": must be true or false'),
        ({"overrides": {"dgd": []}}, "spec.overrides.dgd: Invalid value: []: must be an object"),
        ({"overrides": {"profilingJob": "x"}}, 'spec.overrides.profilingJob: Invalid value: "x": must be an object'),
    ],
)
def test_wrong_type_says_which_would_be_right(manifest: Build, spec: dict[str, object], message: str) -> None:
    assert messages(manifest(spec)) == [message]


@pytest.mark.parametrize("field", ["modelCache", "hardware", "workload", "sla", "overrides", "features"])
def test_part_of_the_spec_is_an_object(manifest: Build, field: str) -> None:
    assert messages(manifest({field: [1]})) == [f"spec.{field}: Invalid value: [1]: must be an object"]


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ({"spec": []}, "spec: Invalid value: []: must be an object"),
        ({"status": []}, "status: Invalid value: []: must be an object"),
        ({"metadata": "qwen"}, 'metadata: Invalid value: "qwen": must be an object'),
        ({"metadata": {}}, "metadata.name: Required value"),
        ({"metadata": {"name": ""}}, 'metadata.name: Invalid value: "": must not be empty'),
        ({"metadata": {"name": 7}}, "metadata.name: Invalid value: 7: must be a string"),
        (
            {"metadata": {"name": "q", "labels": {"a": 1}}},
            "metadata.labels.a: Invalid value: 1: must be a string",
        ),
        (
            {"metadata": {"name": "q", "annotations": []}},
            "metadata.annotations: Invalid value: []: must be an object",
        ),
        ({"spec": {}}, "spec.model: Required value"),
        (
            {"kind": "Pod"},
            'kind: Unsupported value: "Pod": supported values: "DynamoGraphDeploymentRequest"',
        ),
        (
            {"apiVersion": "apps/v1"},
            'apiVersion: Unsupported value: "apps/v1": supported values: "nvidia.com/v1beta1", "nvidia.com/v1alpha1"',
        ),
    ],
)
def test_wrong_object_is_refused_before_its_fields(manifest: Build, top: dict[str, object], message: str) -> None:
    assert messages(manifest(**top)) == [message]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("kind", 'kind: Required value: must be "DynamoGraphDeploymentRequest"'),
        ("apiVersion", 'apiVersion: Required value: must be "nvidia.com/v1beta1"'),
        ("metadata", "metadata: Required value"),
        ("spec", "spec: Required value"),
    ],
)
def test_missing_part_is_required(manifest: Build, field: str, message: str) -> None:
    whole = manifest()
    del whole[field]
    assert messages(whole) == [message]


@pytest.mark.parametrize("document", [None, [], "text", 7, True])
def test_document_that_is_no_mapping_is_no_request(document: object) -> None:
    expected = "(document): Invalid value: must be a DynamoGraphDeploymentRequest object"
    assert messages(document) == [expected]


@pytest.mark.parametrize("field", FEATURES)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("yes", '"yes"'),
        (1, "1"),
        ([], "[]"),
        ({"enabled": "no"}, '{"enabled": "no"}'),
        ({"enabled": None}, '{"enabled": null}'),
    ],
)
def test_feature_is_a_switch_or_an_object(manifest: Build, field: str, value: object, shown: str) -> None:
    right = "must be true, false or an object (with 'enabled' true or false)"
    assert messages(manifest({"features": {field: value}})) == [
        f"spec.features.{field}: Invalid value: {shown}: {right}"
    ]


@pytest.mark.parametrize("field", FEATURES)
@pytest.mark.parametrize("value", [True, False, None, {}, {"enabled": False}, {"mode": "agg", "deep": [{"x": 1.5}]}])
def test_every_form_of_a_feature_is_kept_as_it_is(manifest: Build, field: str, value: object) -> None:
    features = parse_request(manifest({"features": {field: value}})).spec.features
    assert features is not None
    assert features.model_dump()[field] == value


@pytest.mark.parametrize("version", ["0.0.0", "1.6.1", "9999.9999.9999"])
def test_runtime_version_has_three_numbers(manifest: Build, version: str) -> None:
    assert parse_request(manifest({"runtimeVersionOverride": version})).spec.runtime_version_override == version


@pytest.mark.parametrize("version", ["", "1.6", "v1.6.1", "01.6.1", "10000.0.0", "1.6.1-rc1", "1.6.1.0", "latest"])
def test_runtime_version_of_another_form_is_refused(manifest: Build, version: str) -> None:
    expected = f'spec.runtimeVersionOverride: Invalid value: "{version}": must be a version such as 1.6.1'
    assert messages(manifest({"runtimeVersionOverride": version})) == [expected]


def test_every_error_is_reported_in_the_order_of_the_fields(manifest: Build) -> None:
    broken = manifest({"backend": "tgi", "workload": {"isl": 0}, "sla": {"ttfd": 1, "itl": "x"}, "colour": 1})
    assert [message.partition(":")[0] for message in messages(broken)] == [
        "spec.backend",
        "spec.workload.isl",
        "spec.sla.itl",
        "spec.sla.ttfd",
        "spec.colour",
    ]


@pytest.mark.parametrize(
    "value", [dt.date(2026, 1, 1), b"bytes", {1, 2}, object()], ids=["date", "bytes", "set", "object"]
)
@pytest.mark.parametrize("place", ["kind", "image", "free"])
def test_value_that_json_does_not_know_is_an_invalid_request(manifest: Build, place: str, value: object) -> None:
    wrong = {
        "kind": manifest(kind=value),
        "image": manifest({"image": value}),
        "free": manifest({"overrides": {"dgd": {"a": value}}}),
    }
    messages(wrong[place])


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
@pytest.mark.parametrize("parent", ["dgd", "profilingJob"])
def test_number_that_json_does_not_know_is_refused_in_free_form(manifest: Build, parent: str, value: float) -> None:
    (message,) = messages(manifest({"overrides": {parent: {"spec": {"a": value}}}}))
    assert message.startswith(f"spec.overrides.{parent}")


@pytest.mark.parametrize("depth", [250, 100_000])
def test_request_nested_too_deeply_is_refused_in_one_readable_sentence(manifest: Build, depth: int) -> None:
    deep: dict[str, object] = {}
    for _ in range(depth):
        deep = {"a": deep}
    (message,) = messages(manifest({"overrides": {"dgd": deep}}))
    assert re.match(r"\S+: .*(deep|nest)", message), message[:200]
    assert len(message) < 200


def test_surrogate_half_is_refused_in_one_readable_sentence(manifest: Build) -> None:
    (message,) = messages(manifest({"model": "qwen\ud800"}))
    assert re.match(r"\S+: ", message), message
    assert "apiVersion" not in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
SPEC_FIELDS = st.sampled_from(["model", "backend", "hardware", "workload", "sla", "overrides", "features", "image"])


@given(spec=st.dictionaries(SPEC_FIELDS, JSON), metadata=JSON, other=st.dictionaries(st.text(), JSON, max_size=2))
def test_any_document_raises_nothing_but_an_invalid_request(
    spec: dict[str, object], metadata: object, other: dict[str, object]
) -> None:
    document = {**other, "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest"}
    try:
        parse_request({**document, "metadata": metadata, "spec": spec})
    except InvalidRequestError as error:
        assert error.errors  # noqa: PT017 - valid documents raise nothing


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FieldError("spec.a", "Required value"), "spec.a: Required value"),
        (FieldError("spec.a", 'Invalid value: "x"', "must be y"), 'spec.a: Invalid value: "x": must be y'),
    ],
)
def test_field_error_reads_like_one_of_kubernetes(error: FieldError, text: str) -> None:
    assert str(error) == text
