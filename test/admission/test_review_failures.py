"""What somebody writes breaks nobody else's list, and what breaks our code is answered: never an HTTP 5xx."""

import functools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.conversion import V1ALPHA1, V1BETA1
from dgdr_api.conversion import convert as real_convert
from dgdr_api.errors import FieldError
from dgdr_api.names import ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS
from dgdr_api.text import AND_MORE, MAX_REPORTED
from dgdr_controller.admission import conversion, review
from dgdr_controller.admission.review import MAX_WARNING, AdmissionRequest, AdmissionResponse
from dgdr_controller.admission.validation import admit
from dgdr_controller.settings import HardwareSettings

VALIDATE = functools.partial(admit, hardware=HardwareSettings())
Json = Any
UNREADABLE = [r'{"backend":"\ud800"}', '{"backend":NaN}', '{"backend":1e999}']


def stored(name: str = "r", annotations: Json = None, spec: Json = None) -> Json:
    return {
        "apiVersion": V1BETA1,
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": name, "namespace": "n", **({"annotations": annotations} if annotations else {})},
        "spec": {"model": "m", "searchStrategy": "rapid", "autoApply": True, **(spec or {})},
        "status": {"phase": "Pending"},
    }


def converted(*objects: Json) -> Json:
    request = {"uid": "u", "desiredAPIVersion": V1ALPHA1, "objects": list(objects)}
    asked = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    answered, agreed = conversion.answer(json.dumps(asked).encode())
    response = json.loads(answered)["response"]
    assert response["uid"] == "u"
    assert agreed == (response["result"]["status"] == "Success")
    return response


def judged(handler: Callable[[AdmissionRequest], AdmissionResponse], new: Json = None, name: str = "r") -> Json:
    kind = {"group": "nvidia.com", "version": "v1beta1", "kind": "DynamoGraphDeploymentRequest"}
    request = {
        "uid": "u",
        "kind": kind,
        "operation": "CREATE",
        "name": name,
        "namespace": "n",
        "object": new or stored(),
    }
    asked = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    answered, agreed = review.answer(json.dumps(asked).encode(), handler)
    response = json.loads(answered)["response"]
    assert (response["uid"], response["allowed"]) == ("u", agreed)
    return response


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("name", [ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS])
def test_list_is_converted_whatever_one_annotation_says(name: str, text: str) -> None:
    response = converted(stored("a"), stored("b", {name: text}), stored("c"))
    assert response["result"] == {"status": "Success"}
    assert [manifest["metadata"]["name"] for manifest in response["convertedObjects"]] == ["a", "b", "c"]
    assert response["convertedObjects"][1]["metadata"]["annotations"][name] == text


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("name", [ANNOTATION_PRESERVED, ANNOTATION_PRESERVED_STATUS])
def test_annotation_of_any_content_is_judged(name: str, text: str) -> None:
    response = judged(VALIDATE, stored(annotations={name: text}))
    assert response["allowed"] or response["status"]["code"] == 422, response


def failing(manifest: Json, version: str) -> Json:
    if manifest["metadata"]["name"] == "broken":
        raise KeyError("a fault of ours")
    return real_convert(manifest, version)


def unsendable(manifest: Json, version: str) -> Json:
    broken = manifest["metadata"]["name"] == "broken"
    return {"spec": "\ud800"} if broken else real_convert(manifest, version)


@pytest.mark.parametrize(("convert", "kind"), [(failing, "KeyError"), (unsendable, "UnicodeEncodeError")])
def test_failure_of_conversion_names_the_object(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, convert: Any, kind: str
) -> None:
    monkeypatch.setattr(conversion, "convert", convert)
    response = converted(stored("a"), stored("broken"))
    message = f"dgdr-controller failed to convert n/broken: {kind}"
    assert response == {"uid": "u", "result": {"status": "Failure", "message": message}}
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "n/broken" in record.getMessage()
    assert record.exc_info  # the traceback


def test_version_that_is_none_of_ours_is_named_with_its_object() -> None:
    response = converted({**stored("old"), "apiVersion": "nvidia.com/v1"})
    assert response["result"]["message"].startswith("n/old: nvidia.com/v1 cannot be converted to nvidia.com/v1alpha1")


@pytest.mark.parametrize("metadata", [None, {}, [], {"name": 5}, {"name": "x" * 10**6}])
def test_object_without_a_good_name_fails_like_others(metadata: Json) -> None:
    response = converted({"apiVersion": "v1", "metadata": metadata})
    assert response["result"]["status"] == "Failure"
    assert len(response["result"]["message"]) < 1000


def wrecked(_: AdmissionRequest) -> AdmissionResponse:
    raise KeyError("a fault of ours")


def unsendably(_: AdmissionRequest) -> AdmissionResponse:
    return AdmissionResponse(patch=[{"value": "\ud800"}])


@pytest.mark.parametrize(("handler", "kind"), [(wrecked, "KeyError"), (unsendably, "UnicodeEncodeError")])
def test_failure_of_ours_is_a_refusal(caplog: pytest.LogCaptureFixture, handler: Any, kind: str) -> None:
    response = judged(handler)
    message = f"internal error of dgdr-controller: {kind}"
    assert response["allowed"] is False
    assert response["status"] == {"status": "Failure", "code": 500, "reason": "InternalError", "message": message}
    (record,) = caplog.records
    assert "'operation': 'CREATE', 'object': 'n/r'" in record.getMessage()
    assert record.exc_info


def test_request_that_is_nested_too_deeply_is_refused_in_words() -> None:
    def deep(_: AdmissionRequest) -> AdmissionResponse:
        raise RecursionError

    response = judged(deep)
    assert response["status"]["code"] == 422
    assert "nested too deeply" in response["status"]["message"]


def test_causes_are_at_most_twenty_and_short() -> None:
    errors = [FieldError("spec." + "x" * 10**5, "Invalid value: " + "y" * 10**5, "must be z") for _ in range(100)]
    response = judged(lambda _: AdmissionResponse(errors, ["w" * 10**5] * 100), name="n" * 10**5)
    causes = response["status"]["details"]["causes"]
    assert len(causes) == MAX_REPORTED
    assert causes[-1]["field"] == AND_MORE.path
    assert AND_MORE.detail in causes[-1]["message"]
    assert str(AND_MORE) in response["status"]["message"]
    assert len(json.dumps(response)) < 64 * 2**10
    assert len(response["warnings"]) == MAX_REPORTED
    assert max(map(len, response["warnings"])) == MAX_WARNING
    assert "there are more" in response["warnings"][-1]


def test_twenty_causes_are_all_told() -> None:
    errors = [FieldError(f"spec.f{index}", "Required value") for index in range(MAX_REPORTED)]
    causes = judged(lambda _: AdmissionResponse(errors))["status"]["details"]["causes"]
    assert [cause["field"] for cause in causes] == [error.path for error in errors]


@pytest.mark.parametrize(
    "new",
    [
        stored(spec={f"unknown{index}": 1 for index in range(90_000)}),
        stored(spec={"overrides": {"dgd": {"spec": {"services": {f"service{index}": {} for index in range(3000)}}}}}),
        stored(
            annotations={ANNOTATION_PRESERVED: '{"profilingConfig":{"config":{"sla":{"ttft":"%s"}}}}' % ("x" * 10**6)}
        ),
    ],
    ids=["unknown", "services", "ttft"],
)
def test_refusal_is_short_whatever_was_sent(new: Json) -> None:
    response = judged(VALIDATE, new)
    assert response["allowed"] is False
    assert len(json.dumps(response)) < 16 * 2**10
