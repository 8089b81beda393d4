"""The documents of a ``final_config.yaml``: in which order they may lie, and that none of them is passed over."""

from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.errors import InvalidRequestError
from dgdr_controller.deployment.compose import compose_adopted
from test.builders.adopted import adopted_graph, adopted_text, config_map

MOUNTED = ("planner-config-ab12", "planner-profile-data-cd34", "templates-ef56")


def graph_that_mounts(*names: str) -> dict[str, Any]:
    graph = adopted_graph()
    pod = graph["spec"]["components"][1]["podTemplate"]["spec"]
    pod["volumes"] = [{"name": f"v{number}", "configMap": {"name": name}} for number, name in enumerate(names)]
    return graph


def test_deployment_may_come_before_what_it_mounts(graph_request: Callable[..., Any]) -> None:
    documents = config_map(MOUNTED[0]), adopted_graph()
    made, other = (compose_adopted(adopted_text(*order), graph_request()) for order in (documents, documents[::-1]))
    assert made.documents == other.documents
    assert [document["kind"] for document in other.documents] == ["ConfigMap", "DynamoGraphDeployment"]


@pytest.mark.parametrize("before", ["---\n", "---\n---\n", "# by the profiler\n---\n", "\n\n---\n"])
def test_separators_and_comments_before_the_first_document_are_none(
    graph_request: Callable[..., Any], before: str
) -> None:
    text = adopted_text(adopted_graph())
    assert compose_adopted(before + text, graph_request()) == compose_adopted(text, graph_request())


def test_several_config_maps_keep_their_order(graph_request: Callable[..., Any]) -> None:
    maps = [config_map(name, data={"name": name}) for name in MOUNTED]
    made = compose_adopted(adopted_text(*maps[:2], graph_that_mounts(*MOUNTED), maps[2]), graph_request())
    assert [found["metadata"]["name"] for found in made.config_maps] == list(MOUNTED)
    assert [found["data"]["name"] for found in made.config_maps] == list(MOUNTED)
    assert made.documents[-1] == made.graph


@pytest.mark.parametrize("broken", ["kind: [\n", "apiVersion: v1\n", "- a\n", "just words\n", '{"kind": \n'])
def test_document_that_is_broken_is_not_passed_over(graph_request: Callable[..., Any], broken: str) -> None:
    for text in (f"{adopted_text(adopted_graph())}---\n{broken}", f"{broken}---\n{adopted_text(adopted_graph())}"):
        with pytest.raises(InvalidRequestError):
            compose_adopted(text, graph_request())
