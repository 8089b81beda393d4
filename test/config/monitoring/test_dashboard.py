"""Expressions of dashboard and alerts name metrics that there are; the dashboard is what Grafana reads."""

import json
import re
import subprocess
from itertools import combinations
from typing import Any

import pytest
import yaml

from dgdr_controller.admission import metrics as _webhooks  # noqa: F401 - each registers its metrics
from dgdr_controller.admission.certificates import metrics as _certificates  # noqa: F401
from dgdr_controller.hardware import metrics as _hardware  # noqa: F401
from dgdr_controller.reconciler import metrics as _requests  # noqa: F401
from dgdr_controller.runtime.metrics import registry
from hack.cluster.layout import CHECKOUT
from hack.monitoring import dashboard
from hack.monitoring.prometheus import alerts

BOARD = json.loads((CHECKOUT / "config" / "grafana" / "dashboard.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    *(rule["expr"] for rule in alerts().values()),
    *dashboard.expressions(),
]
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
KNOWN = {f"{family.name}{suffix}": family for family in registry.collect() for suffix in _SUFFIXES[family.type]}
"""Names of series, and the metric that they are of."""
_SELECTOR = re.compile(r"\b([a-z_]+_[a-z_]+)\{([^}]*)\}")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_names_metrics_and_labels_that_there_are(expression: str) -> None:
    selected = _SELECTOR.findall(expression)
    assert selected
    for name, matchers in selected:
        assert name in KNOWN
        labels = {matcher.partition("=")[0].strip() for matcher in matchers.split(",")}
        samples = [sample for sample in KNOWN[name].samples if sample.name == name]
        for sample in samples:
            assert labels - {"job", "namespace"} <= set(sample.labels), name


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    ours = {family.name for family in registry.collect() if family.name.startswith("dgdr_")}
    shown = {KNOWN[name].name for expression in dashboard.expressions() for name, _ in _SELECTOR.findall(expression)}
    assert ours - shown == {"dgdr_webhook_certificate_rotations"}  # its effect is: when certificates end


def test_panels_stand_side_by_side() -> None:
    def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        return {(column, row) for column in columns for row in rows}

    for one, other in combinations(BOARD["panels"], 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= dashboard.WIDTH for panel in PANELS)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_query_is_of_the_chosen_source() -> None:
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    for panel in PANELS:
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= variables


def test_legends_name_labels_that_the_series_have() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
            labels = {label.strip() for group in grouped for label in group.split(",")} | {"pod"}
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_grafanas_sidecar_finds_it(kubectl_program: str) -> None:
    run = subprocess.run(
        [kubectl_program, "kustomize", str(CHECKOUT / "config" / "grafana")], capture_output=True, check=True, text=True
    )
    (config_map,) = yaml.safe_load_all(run.stdout)
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "namespace" not in config_map["metadata"]  # of the command
    assert json.loads(config_map["data"]["dashboard.json"]) == BOARD
