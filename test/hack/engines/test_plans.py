"""The plans that engines judge: what is written of a plan, and that the files are those of the requests."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.results import Results
from dgdr_api.v1beta1 import DgdrSpec
from dgdr_controller.deployment.render import render
from dgdr_controller.results.content import graph_request
from dgdr_controller.settings import Settings
from hack.cluster.layout import CHECKOUT
from hack.engines import plans
from hack.engines.containers import containers

FILES = sorted(plans.FOLDER.glob("*.json"))


def requests() -> dict[str, Any]:
    files = (CHECKOUT / "test/matrix/requests.yaml", CHECKOUT / "hack/recipes/requests.yaml")
    return {entry["id"]: entry for file in files for entry in yaml.safe_load(file.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def read() -> dict[str, Results]:
    return {file.stem: plans.read(file) for file in FILES}


def test_plans_are_of_requests_as_they_are_written(read: dict[str, Results]) -> None:
    written = requests()
    stale = [
        name
        for name, plan in read.items()
        if name not in written or plan.request.spec != DgdrSpec.model_validate_json(json.dumps(written[name]["spec"]))
    ]
    assert stale == [], "run make matrix PLANS=write and make recipes PLANS=write"


def test_plans_are_of_requests_that_come_to_a_deployment(read: dict[str, Results]) -> None:
    planned = {
        name
        for name, entry in requests().items()
        if "expect" not in entry or entry["expect"]["verdict"] in ("planned", "naive")
    }
    assert set(read) <= planned
    assert len(read) > 50


def test_what_is_deployed_can_be_rendered(read: dict[str, Results]) -> None:
    for plan in read.values():
        assert plan.choice is None or render(plan.choice, graph_request(plan), Settings()).graph


def test_choice_and_the_largest_worker_of_a_kind_are_kept(read: dict[str, Results], tmp_path: Path) -> None:
    alone = (plan for plan in read.values() if [c.backend in plans.JUDGED for c in plan.candidates] == [True])
    plan = next(alone)
    (choice,) = plan.candidates
    (worker,) = choice.workers
    larger = [
        choice.model_copy(update={"workers": (worker.model_copy(update={"batch": batch}),), "id": str(batch)})
        for batch in (worker.batch + 1, worker.batch + 2)
    ]
    file = tmp_path / "x.json"
    file.write_text(plans.text(plan.model_copy(update={"candidates": (choice, *larger)})), encoding="utf-8")
    assert [c.workers[0].batch for c in plans.read(file).candidates] == [worker.batch, worker.batch + 2]


def test_nothing_is_written_unless_it_is_asked_for(
    read: dict[str, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "FOLDER", tmp_path / "plans")
    monkeypatch.delenv("PLANS", raising=False)
    plan = next(iter(read.values()))
    plans.record("x", plan)
    assert not plans.FOLDER.exists()
    monkeypatch.setenv("PLANS", "write")
    plans.record("x", plan)
    assert plans.read(plans.path("x")).request == plan.request


def test_engine_over_several_nodes_gets_what_the_operator_adds(read: dict[str, Results]) -> None:
    words = {c.start.words for plan in read.values() for c in containers(plan) if c.worker.parallelism.gpus > 8}
    assert words
    added = ("--nnodes", "--data-parallel-hybrid-lb")
    assert all(any(flag in line for flag in added) for line in words)
