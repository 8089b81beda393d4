"""Deployments that another profiler made: what is taken over, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import ANNOTATION_UID, LABEL_NAME, LABEL_POD
from dgdr_api.preserved import DeploymentOverrides, Preserved
from dgdr_controller.deployment.compose import Composed, compose_adopted
from test.builders.adopted import adopted_graph, adopted_text, config_map

Composing = Callable[..., Composed]


@pytest.fixture
def composed(graph_request: Callable[..., Any]) -> Composing:
    return lambda text, **spec: compose_adopted(text, graph_request(uid="uid-1", **spec))


def test_deployment_becomes_the_requests(composed: Composing) -> None:
    made = composed(adopted_text(adopted_graph(labels={"team": "a", LABEL_NAME: "of-another"})))
    metadata = made.graph["metadata"]
    assert metadata["name"] == "r-dgd"
    assert "namespace" not in metadata
    assert metadata["labels"]["team"] == "a"
    assert metadata["labels"][LABEL_NAME] == "r"
    assert metadata["annotations"] == {ANNOTATION_UID: "uid-1"}
    components = made.graph["spec"]["components"]
    assert [component["name"] for component in components] == ["Frontend", "decode"]
    for component in components:
        assert component["podTemplate"]["metadata"]["labels"] == {LABEL_POD: "r"}


def test_older_version_is_converted(composed: Composing) -> None:
    service = {"componentType": "worker", "replicas": 2, "resources": {"limits": {"gpu": "4"}}}
    older = {"services": {"decode": service}, "backendFramework": "vllm"}
    made = composed(adopted_text(adopted_graph(version="v1alpha1", spec=older)))
    assert made.graph["apiVersion"] == "nvidia.com/v1beta1"
    (component,) = made.graph["spec"]["components"]
    assert (component["name"], component["replicas"]) == ("decode", 2)


def test_what_it_mounts_comes_first_and_is_the_requests(composed: Composing) -> None:
    made = composed(adopted_text(config_map("planner-config-ab12"), adopted_graph()))
    (mounted,) = made.config_maps
    assert mounted["data"] == {"planner_config.json": "{}"}
    assert mounted["metadata"]["labels"][LABEL_NAME] == "r"
    assert made.documents == [mounted, made.graph]


ODD: list[dict[str, Any]] = [
    {"components": [{"name": "decode", "type": "worker"}]},
    {"components": [{"name": "decode", "type": "worker", "podTemplate": {"spec": {"containers": [{"image": "x"}]}}}]},
    {"components": [{"name": "decode", "type": "worker", "podTemplate": {"spec": {}}}]},
]


@pytest.mark.parametrize("spec", ODD)
def test_sparse_components_take_the_workers_image_as_far_as_they_can(
    graph_request: Callable[..., Any], spec: dict[str, Any]
) -> None:
    request = replace(
        graph_request(), preserved=Preserved(deployment_overrides=DeploymentOverrides(workers_image="r.io/x:1.6.1"))
    )
    made = compose_adopted(adopted_text(adopted_graph(spec=spec)), request)
    assert made.graph["spec"]["components"][0]["name"] == "decode"


def test_binary_content_of_a_config_map_is_kept(composed: Composing) -> None:
    curves = config_map("planner-config-ab12", data=None, binaryData={"a.npz": "AAAA"})
    (mounted,) = composed(adopted_text(curves, adopted_graph())).config_maps
    assert mounted["binaryData"] == {"a.npz": "AAAA"}


def test_override_is_laid_over_it(composed: Composing) -> None:
    override = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "mine"},
        "spec": {"components": [{"name": "decode", "replicas": 1}]},
    }
    made = composed(adopted_text(adopted_graph()), overrides={"dgd": override})
    assert made.graph["metadata"]["name"] == "mine"
    assert made.graph["spec"]["components"][1]["replicas"] == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("null\n", "(document): Invalid value: 0: must contain exactly one DynamoGraphDeployment"),
        ("a: [\n", "(document): Invalid value: "),
        (
            adopted_text(adopted_graph(), adopted_graph()),
            "(document): Invalid value: 2: must contain exactly one DynamoGraphDeployment",
        ),
        (
            adopted_text({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding"}, adopted_graph()),
            ('documents[0].kind: Invalid value: "ClusterRoleBinding": must be DynamoGraphDeployment of nvidia.com/v1alpha1 '
            "or nvidia.com/v1beta1, or a ConfigMap"),
        ),
        (
            adopted_text(adopted_graph(replicas=9)),
            "spec.components: Forbidden: the deployment would use 36 GPUs; the budget is 32",
        ),
        (adopted_text(adopted_graph(spec={})), "spec.components: Required value"),
        (adopted_text(adopted_graph(replicas="many")), "spec.components[decode].replicas: Invalid value: "),
        (adopted_text(config_map(None), adopted_graph()), "metadata.name: Required value"),
        (
            adopted_text(config_map("other"), adopted_graph()),
            'metadata.name: Invalid value: "other": must be a ConfigMap that the deployment mounts',
        ),
        (
            adopted_text(config_map("dgdr-measurements"), adopted_graph(mounts="dgdr-measurements")),
            'metadata.name: Invalid value: "dgdr-measurements": must not begin with dgdr-',
        ),
        (adopted_text(config_map("planner-config-ab12", data=["a"]), adopted_graph()), "data: Invalid value: "),
        (adopted_text(config_map("planner-config-ab12", data={"a": 1}), adopted_graph()), "data: Invalid value: "),
        (yaml.safe_dump(["a"]), "documents[0]: Invalid value: "),
    ],
)  # fmt: skip
def test_what_cannot_be_created_is_refused(composed: Composing, text: str, error: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        composed(text)
    assert str(caught.value.errors[0]).startswith(error)
