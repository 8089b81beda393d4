"""What the plugin exports beside what the controller makes."""

from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.candidate import Outcome, Verdict
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.exporting import Exporter, first_difference
from dgdr_controller.reconciler.composition import composed
from dgdr_controller.settings import DynamoSettings, Settings
from test.builders.observed_state import UID, observed_of
from test.builders.results import candidate_of, planned_results, results_of

Ready = Callable[..., Any]


@pytest.mark.parametrize("index", [0, 1])
def test_exported_deployment_is_the_one_that_the_controller_makes(ready: Ready, index: int) -> None:
    results, request = results_of(), ready()
    candidate = results.candidates[index]
    exporter = Exporter(request, results, None, Settings())
    _, made = composed(observed_of(request), [candidate], results)
    assert exporter.compose(candidate).documents == made.documents
    assert exporter.difference() is None


def test_exported_planner_comes_with_its_config_maps(ready: Ready) -> None:
    results = planned_results()
    request = ready(results, features={"planner": True})
    exporter = Exporter(request, results, None, Settings())
    _, made = composed(observed_of(request), results.candidates, results)
    assert made.config_maps
    assert exporter.compose(results.candidates[0]).documents == made.documents


def test_exported_deployment_is_recognised_by_the_controller(ready: Ready) -> None:
    results = results_of()
    metadata = Exporter(ready(), results, None, Settings()).compose(results.candidates[1]).graph["metadata"]
    assert metadata["annotations"]["dgdr.nvidia.com/uid"] == UID
    assert metadata["labels"]["dgdr.nvidia.com/name"] == "qwen"
    assert metadata["labels"]["dgdr.nvidia.com/namespace"] == "team"


def test_exported_version_is_the_one_that_is_asked_for(ready: Ready) -> None:
    results = results_of()
    exporter = Exporter(ready(), results, None, Settings())
    versions = {v: exporter.compose(results.candidates[0], v).graph for v in ("v1beta1", "v1alpha1")}
    assert {v: graph["apiVersion"] for v, graph in versions.items()} == {v: f"nvidia.com/{v}" for v in versions}
    assert "services" in versions["v1alpha1"]["spec"]


def test_other_settings_than_the_controllers_are_noticed(ready: Ready) -> None:
    other = Settings(dynamo=DynamoSettings(registry="registry.example/dynamo"))
    difference = Exporter(ready(), results_of(), None, other).difference()
    assert difference == "spec.components[0].podTemplate.spec.containers[0].image"


def test_candidate_that_cannot_be_deployed_is_not_exported(ready: Ready) -> None:
    loser = candidate_of(verdict=Verdict(outcome=Outcome.OVER_BUDGET, reason="16 GPUs of 8"))
    with pytest.raises(PluginError, match=r"cannot be deployed \(over-budget\): 16 GPUs of 8"):
        Exporter(ready(), results_of(), None, Settings()).compose(loser)


def test_results_of_another_model_are_not_exported(ready: Ready) -> None:
    results = results_of().model_copy(update={"model": "evil/model"})
    with pytest.raises(PluginError, match=r'spec\.model: "Qwen/Qwen3-32B": was not profiled'):
        Exporter(ready(), results, None, Settings()).compose(results.candidates[0])


@pytest.mark.parametrize(
    ("here", "there", "path"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, None),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "a[1].b"),
        ({"a": [1]}, {"a": [1, 2]}, "a"),
        ({"a": 1}, {"a": 1, "c": 2}, "c"),
        (1, 2, "(document)"),
    ],
)
def test_first_difference_is_a_path(here: object, there: object, path: str | None) -> None:
    assert first_difference(here, there) == path
