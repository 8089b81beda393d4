"""What a deployment is called: after its request, unless the request says how."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dgdr_controller.deployment.compose import compose, compose_adopted
from dgdr_controller.settings import Settings
from test.builders.adopted import adopted_graph, adopted_text

NAMES = [
    (None, "r-dgd"),
    ({"profilingJob": {"backoffLimit": 1}}, "r-dgd"),
    ({"dgd": {"metadata": {"labels": {"a": "b"}}}}, "r-dgd"),
    ({"dgd": {"metadata": {"name": "mine"}}}, "mine"),
]


@pytest.mark.parametrize(
    ("overrides", "name"), NAMES, ids=["no overrides", "no override of it", "override without a name", "explicit name"]
)
def test_name_is_the_overrides_or_the_requests(
    graph_request: Callable[..., Any], make_candidate: Callable[..., Any], overrides: Any, name: str
) -> None:
    request = graph_request(overrides=overrides)
    planned = compose(make_candidate(), request, Settings())
    adopted = compose_adopted(adopted_text(adopted_graph()), request)
    assert [made.graph["metadata"]["name"] for made in (planned, adopted)] == [name] * 2


def test_two_requests_of_the_same_spec_have_two_deployments(
    graph_request: Callable[..., Any], make_candidate: Callable[..., Any]
) -> None:
    requests = [replace(graph_request(), name=name) for name in ("first", "second")]
    names = [compose(make_candidate(), request, Settings()).graph["metadata"]["name"] for request in requests]
    assert names == ["first-dgd", "second-dgd"]
