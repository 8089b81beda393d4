"""Every request of requests.yaml through the planner: the verdicts were written down before it was asked.

With the variable ``PLANS`` set to ``write``, the plans that engines judge (``hack.engines.plans``) are written anew.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.candidate import Source
from dgdr_api.defaults import resolve
from dgdr_api.errors import InvalidRequestError
from dgdr_api.parse import parse_request
from dgdr_api.preserved import as_far_as_known
from dgdr_api.results import Results
from dgdr_controller.deployment.compose import compose
from dgdr_controller.deployment.overrides.dgd import gpus_of
from dgdr_controller.deployment.render.images import engines_release
from dgdr_controller.profiler.errors import InterruptedRunError, NotDeployableError, RequestRefusedError
from dgdr_controller.profiler.hardware import HardwareOptions
from dgdr_controller.profiler.model.hub import Hub
from dgdr_controller.profiler.rapid import rapid
from dgdr_controller.profiler.request import plan_request
from dgdr_controller.profiler.selection.notes import nothing_deployable
from dgdr_controller.results.content import graph_request
from dgdr_controller.settings import Settings
from hack.engines import plans

ENTRIES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "requests.yaml").read_text())
DEADLINE_S = 600.0


@dataclass(frozen=True)
class Answer:
    """What a request came to."""

    verdict: str
    message: str
    results: Results | None = None


def entries() -> list[Any]:
    marks = {True: (), False: (pytest.mark.matrix,)}
    return [pytest.param(entry, id=entry["id"], marks=marks[bool(entry.get("short"))]) for entry in ENTRIES]


def answer(entry: dict[str, Any], root: Path) -> Answer:
    """Plan a request as `dgdr plan` does."""
    manifest = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "matrix"},
        "spec": entry["spec"],
    }
    put_model(entry, root)
    try:
        asked = parse_request(manifest)
        cache, release = root if "config" in entry else None, engines_release(asked, Settings())
        request = plan_request(asked, HardwareOptions(), cache, release=release)
        results = rapid(request, lambda _: None, DEADLINE_S, hub=Hub(hub(entry.get("hub")), lambda _: None))
    except (InvalidRequestError, RequestRefusedError) as error:
        return Answer("refused", str(error))
    except NotDeployableError as error:
        return Answer("impossible", str(error))
    if results.choice is None:
        return Answer("impossible", nothing_deployable(results), results)
    told = "\n".join(warning.message for warning in results.warnings)
    return Answer("naive" if results.choice.source is Source.NAIVE else "planned", told, results)


def put_model(entry: dict[str, Any], root: Path) -> None:
    """Write a model's config, and a file of the size of its weights that takes no space."""
    if "config" not in entry:
        return
    folder = root / entry["spec"]["modelCache"]["pvcModelPath"].removeprefix("/opt/model-cache/")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(entry["config"]))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(int(entry["weights_gib"] * 2**30))


def hub(status: int | None) -> Callable[[str, Path], int]:
    """Answer for the hub; test/profiler/model speaks to one over HTTP."""

    def download(model: str, _: Path) -> int:
        if status is None:
            raise InterruptedRunError("no hub here")
        sentence = {404: "not found on HuggingFace and no modelCache specified", 401: "gated: hf-token-secret"}[status]
        raise RequestRefusedError(f"Model '{model}' {sentence}")

    return download


@pytest.mark.aic
@pytest.mark.parametrize("entry", entries())
def test_request_comes_to_the_verdict_that_is_written_down(entry: dict[str, Any], tmp_path: Path) -> None:
    expected = entry["expect"]
    came = answer(entry, tmp_path)
    assert came.verdict == expected["verdict"], f"{came.verdict}: {came.message}\nexpected because {expected['why']}"
    if pattern := expected.get("message"):
        assert re.search(pattern, came.message, re.DOTALL), came.message
    results = came.results
    if results is None or results.choice is None:
        return
    plans.record(entry["id"], results)
    choice, budget = results.choice, results.hardware.total_gpus.value
    assert choice.gpus <= min(budget, expected.get("max_gpus", budget))
    assert choice.gpus_per_replica >= expected.get("min_gpus_per_replica", 1)
    assert choice.backend == expected.get("backend", choice.backend)
    assert choice.mode in expected.get("modes", [choice.mode])
    if kind := expected.get("warning"):
        assert kind in {warning.type for warning in results.warnings}
    graph = compose(choice, graph_request(results), Settings()).graph
    assert gpus_of(graph) == (
        0 if resolve(results.request.spec, as_far_as_known(results.request.annotations)).mocker else choice.gpus
    )


def test_requests_of_every_kind_are_enough() -> None:
    verdicts = [entry["expect"]["verdict"] for entry in ENTRIES]
    assert len({entry["id"] for entry in ENTRIES}) == len(ENTRIES) >= 60
    assert set(verdicts) == {"planned", "naive", "refused", "impossible"}
    assert {entry["expect"]["verdict"] for entry in ENTRIES if entry.get("short")} == set(verdicts)
