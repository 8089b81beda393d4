"""A request's CRD on a real API server."""

from collections.abc import Callable
from typing import Any

import pytest

from test.builders.stored_requests import RefusedError, Requests, definitions, requests

__all__ = ["definitions", "requests"]  # fixtures


@pytest.fixture
def refusal(requests: Requests) -> Callable[..., RefusedError]:
    """Create what must be refused; return what the API server says."""

    def create(*arguments: Any, **top: Any) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            requests.create(*arguments, **top)
        return caught.value

    return create
