"""A request in the form of Dynamo 0.6, as its guide prints it, through the real command line and AIConfigurator."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.results import Results

pytestmark = pytest.mark.aic

PRINTED = Path(__file__).parents[1] / "config" / "documents" / "manifests" / "quickstart-v0.6.1-sweep-offline.yaml"


def test_request_of_v1alpha1_is_planned_as_it_says(dgdr: Any, tmp_path: Path) -> None:
    manifest = yaml.safe_load(PRINTED.read_text(encoding="utf-8"))
    config = manifest["spec"]["profilingConfig"]["config"]
    config["hardware"] = {"min_num_gpus_per_engine": 4, "max_num_gpus_per_engine": 4, "num_gpus_per_node": 8}
    config["planner"] = {"planner_min_endpoint": 2}
    manifest["spec"]["deploymentOverrides"] = {"name": "chosen", "workersImage": "r.io/workers:1.6.1"}
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(manifest))
    run = dgdr("plan", "-f", "old.yaml", "-o", "out", "--report", "page.html", "--total-gpus", "16")
    assert run.returncode == 0, run.stderr
    results = Results.model_validate_json((tmp_path / "out" / "results.json").read_text())
    assert (results.goal.isl, results.goal.osl) == (3000, 150)
    assert {candidate.backend for candidate in results.candidates} == {"trtllm"}
    assert {worker.parallelism.gpus for candidate in results.candidates for worker in candidate.workers} == {4}
    *config_maps, graph = yaml.safe_load_all((tmp_path / "out" / "dgd.yaml").read_text())
    assert graph["metadata"]["name"] == "chosen"
    components = {
        component["name"]: component["podTemplate"]["spec"]["containers"][0]
        for component in graph["spec"]["components"]
    }
    assert {"Frontend", "Planner", "prefill", "decode"} == components.keys()
    assert components["decode"]["image"] == "r.io/workers:1.6.1"
    (planner,) = (
        config_map["data"]["planner_config.json"]
        for config_map in config_maps
        if "planner_config.json" in config_map["data"]
    )
    assert json.loads(planner)["min_endpoint"] == 2
    assert "aic_backend_version has no effect" in run.stdout
