import json

import pytest

from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_api.preserved import preserved


def test_annotation_is_read_as_far_as_it_matters() -> None:
    spec = {
        "profilingConfig": {"configMapRef": {"name": "base"}, "outputPVC": "x", "config": {"sweep": {"a": 1}}},
        "deploymentOverrides": {"workersImage": "r.io/i:1", "labels": {"a": "b"}},
    }
    said = preserved({ANNOTATION_PRESERVED: json.dumps(spec)})
    assert said.base is not None
    assert (said.base.name, said.base.key) == ("base", "disagg.yaml")
    assert said.deployment_overrides.workers_image == "r.io/i:1"
    assert said.deployment_overrides.labels == {"a": "b"}


@pytest.mark.parametrize("annotations", [None, {}, {ANNOTATION_PRESERVED: "{}"}])
def test_annotation_that_is_absent_or_empty_says_nothing(annotations: dict[str, str] | None) -> None:
    said = preserved(annotations)
    assert said.base is None
    assert said.deployment_overrides.model_dump(exclude_none=True) == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", r"\(document\): Invalid JSON"),
        ("[]", r"\(document\): Input should be an object"),
        ("{", r"\(document\): Invalid JSON"),
        ('{"profilingConfig": {"configMapRef": {}}}', "profilingConfig.configMapRef.name: Field required"),
    ],
)
def test_annotation_that_somebody_has_edited_is_refused(text: str, problem: str) -> None:
    path = r"metadata.annotations\[nvidia.com/dgdr-spec\]"
    with pytest.raises(InvalidRequestError, match=f"^{path}: Invalid value: {problem}"):
        preserved({ANNOTATION_PRESERVED: text})
