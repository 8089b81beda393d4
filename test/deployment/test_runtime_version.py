"""The version that ``spec.runtimeVersionOverride`` gives to the components of a deployment."""

from collections.abc import Callable
from typing import Any

import pytest

from dgdr_controller.deployment.compose import compose_adopted
from dgdr_controller.deployment.runtime_version import filled_in
from test.builders.adopted import adopted_graph, adopted_text

FIELD = "runtimeVersionOverride"


def versions(graph: dict[str, Any]) -> list[str | None]:
    return [component.get(FIELD) for component in graph["spec"]["components"]]


@pytest.mark.parametrize("named", [None, ""])
def test_components_that_name_a_version_keep_it(named: str | None) -> None:
    graph = {"spec": {"components": [{"name": "a", FIELD: "1.4.2"}, {"name": "b"}, {"name": "c", FIELD: named}]}}
    assert versions(filled_in(graph, "1.6.1")) == ["1.4.2", "1.6.1", "1.6.1"]
    assert versions(graph) == ["1.4.2", None, named]


@pytest.mark.parametrize("graph", [{}, {"spec": None}, {"spec": {"components": {}}}, {"spec": {"components": ["a"]}}])
def test_what_is_no_deployment_is_left_to_the_api_server(graph: dict[str, Any]) -> None:
    assert filled_in(graph, "1.6.1") == graph


def test_nothing_is_filled_in_without_a_version() -> None:
    graph = {"spec": {"components": [{"name": "a"}]}}
    assert filled_in(graph, None) is graph


def test_deployment_of_another_profiler_gets_the_version_that_it_lacks(graph_request: Callable[..., Any]) -> None:
    graph = adopted_graph()
    graph["spec"]["components"][0][FIELD] = "1.5.0"
    others = len(graph["spec"]["components"]) - 1
    asked = graph_request(image="r.io/dynamo-planner:nightly", runtimeVersionOverride="1.6.1")
    assert versions(compose_adopted(adopted_text(graph), asked).graph) == ["1.5.0", *["1.6.1"] * others]


def test_deployment_of_another_profiler_keeps_what_it_says_otherwise(graph_request: Callable[..., Any]) -> None:
    made = compose_adopted(adopted_text(adopted_graph()), graph_request()).graph
    assert set(versions(made)) == {None}
