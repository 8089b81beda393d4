from collections.abc import Callable, Mapping

import pytest


@pytest.fixture
def manifest() -> Callable[..., dict[str, object]]:
    """Build a valid DGDR manifest; ``spec`` is merged over the smallest one, other keywords replace top fields."""

    def build(spec: Mapping[str, object] | None = None, /, **top: object) -> dict[str, object]:
        return {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": "qwen"},
            "spec": {"model": "Qwen/Qwen3-32B", **(spec or {})},
            **top,
        }

    return build
