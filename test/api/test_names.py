"""Names of the objects around a request, and the constants that scripts of users match."""

import pytest

from dgdr_api import names


@pytest.mark.parametrize("name", ["a", "qwen", "qwen-3", "a--b", "a1"])
def test_service_name_begins_with_a_letter(name: str) -> None:
    assert names.is_service_name(name)


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "A", "a.b", "a_b", "ä", "a\n"])
def test_service_name_is_nothing_else(name: str) -> None:
    assert not names.is_service_name(name)


def test_deployment_is_named_after_its_request() -> None:
    assert names.dgd_name("qwen") == "qwen-dgd"


@pytest.mark.parametrize(
    ("value", "upstream"),
    [
        (names.GROUP, "nvidia.com"),
        (names.KIND, "DynamoGraphDeploymentRequest"),
        (names.DGD_KIND, "DynamoGraphDeployment"),
        (names.LABEL_NAME, "dgdr.nvidia.com/name"),
        (names.LABEL_NAMESPACE, "dgdr.nvidia.com/namespace"),
        (names.LABEL_MANAGED_BY, "nvidia.com/managed-by"),
        (names.MANAGED_BY, "dynamo-operator"),
        (names.LABEL_POD, "nvidia.com/dgdr-name"),
    ],
)
def test_labels_and_kinds_are_those_of_upstream(value: str, upstream: str) -> None:
    assert value == upstream
