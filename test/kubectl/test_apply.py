from typing import Any

import pytest

from dgdr_controller.kubectl.apply import request_in
from dgdr_controller.kubectl.errors import PluginError

REQUEST: dict[str, Any] = {
    "apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest", "metadata": {"name": "m"}, "spec": {},
}  # fmt: skip


def test_request_is_found_among_other_objects() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}}
    assert request_in([secret, None, REQUEST], "f") == (REQUEST, ["Secret token"])


@pytest.mark.parametrize(
    ("documents", "sentence"),
    [
        ([], "f holds 0 requests"),
        ([{"kind": "Secret"}], "f holds 0 requests"),
        ([REQUEST, REQUEST], "f holds 2 requests"),
        (["text"], "f holds 0 requests"),
        ([REQUEST | {"apiVersion": "v1"}], "f: apiVersion must be nvidia.com/v1beta1 or nvidia.com/v1alpha1"),
        ([REQUEST | {"apiVersion": "nvidia.com/../x"}], "f: apiVersion must be"),
        ([REQUEST | {"metadata": {}}], "f: metadata.name is missing"),
        ([REQUEST | {"metadata": []}], "f: metadata.name is missing"),
    ],
)
def test_file_without_exactly_one_request_is_refused(documents: list[object], sentence: str) -> None:
    with pytest.raises(PluginError, match=f"^{sentence}"):
        request_in(documents, "f")
