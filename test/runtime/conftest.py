"""Kinds that tests reconcile."""

from typing import Any

import pytest

from dgdr_controller.runtime import Resource, decode_dict


@pytest.fixture
def widgets() -> Resource[dict[str, Any]]:
    """A custom kind with a status."""
    return Resource("example.com", "v1", "widgets", "Widget", decode=decode_dict)


@pytest.fixture
def parts() -> Resource[dict[str, Any]]:
    """A kind that widgets own."""
    return Resource("", "v1", "configmaps", "ConfigMap", decode=decode_dict)
