"""Grafana's dashboard of the controller, from a table of its panels.

``make generate`` writes ``config/grafana/dashboard.json``, in version 39 of Grafana's JSON model (Grafana 10 and on).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hack.cluster.layout import CHECKOUT

FILE = CHECKOUT / "config" / "grafana" / "dashboard.json"
UID, TITLE = "dgdr-controller", "DynamoGraphDeploymentRequests"
WIDTH = 24
"""Columns of a dashboard."""
_WITHOUT_TIME = {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {"Value": "for"}}}
"""Of a table, the column that says when it was asked is none of the answer."""
_HEIGHT = 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_OURS = 'job="dgdr-controller"'
_THERE = f'{_OURS}, namespace=~"$namespace"'
_WINDOW = "$__rate_interval"
_SELDOM = "1h"
"""What happens a few times a day has no rate to speak of."""
_START = "dgdr_request_phase_start_timestamp_seconds"
_EXPIRY = "dgdr_webhook_certificate_expiry_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of the dashboard.

    Attributes:
        title: What it shows.
        queries: Expressions of PromQL, and what each of their series is called (``{{label}}`` for a label's value).
        unit: Unit as Grafana calls it.
        kind: Plugin that draws it.
        width: In columns.
        stacked: Whether its series add up to something.
        help: What to look for, for who points at it.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    stacked: bool = False
    help: str = ""


def _quantiles(metric: str, by: str, window: str = _WINDOW) -> tuple[tuple[str, str], ...]:
    labels = ", ".join(filter(None, ("le", by)))
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (
            f"histogram_quantile({share}, sum by ({labels}) (increase({metric}_bucket{{{_OURS}}}[{window}])))",
            f"{legend}p{share * 100:g}",
        )
        for share in (0.5, 0.99)
    )


def _rate(metric: str, by: str, where: str = _OURS) -> tuple[tuple[str, str], ...]:
    return ((f"sum by ({by}) (rate({metric}{{{where}}}[{_WINDOW}]))", f"{{{{{by}}}}}"),)


def _increase(metric: str, by: str, where: str = _OURS) -> tuple[tuple[str, str], ...]:
    return ((f"sum by ({by}) (increase({metric}{{{where}}}[1h]))", f"{{{{{by}}}}}"),)


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Requests",
        (
            Panel(
                "Requests by phase",
                ((f"sum by (phase) (dgdr_requests{{{_THERE}}})", "{{phase}}"),),
                stacked=True,
            ),
            Panel(
                "Longest in their phase",
                ((f"topk(10, time() - max by (namespace, name, phase) ({_START}{{{_THERE}}}))", ""),),
                unit="s",
                kind="table",
                help="What each of them waits for: kubectl get dgdr -A",
            ),
            Panel(
                "Time in a phase",
                _quantiles("dgdr_phase_duration_seconds", "phase", _SELDOM),
                unit="s",
            ),
            Panel("Failures in the last hour, by cause", _increase("dgdr_failures_total", "condition"), stacked=True),
            Panel("Warnings in the last hour", _increase("dgdr_warnings_total", "condition"), stacked=True),
            Panel(
                "Refused by a webhook in the last hour",
                _increase("dgdr_webhook_denials_total", "webhook"),
                stacked=True,
            ),
        ),
    ),
    (
        "Profiling",
        (
            Panel(
                "Profilings in the last hour",
                (
                    (
                        f"sum by (strategy, outcome) (increase(dgdr_profilings_total{{{_OURS}}}[1h]))",
                        "{{strategy}} {{outcome}}",
                    ),
                ),
                stacked=True,
            ),
            Panel("Duration", _quantiles("dgdr_profiling_duration_seconds", "strategy", _SELDOM), unit="s"),
            Panel("Candidates found", _quantiles("dgdr_profiling_candidates", "", _SELDOM)),
            Panel(
                "From the profiler's end to its result in the request",
                _quantiles("dgdr_result_latency_seconds", "", _SELDOM),
                unit="s",
            ),
            Panel(
                "DCGM exporters that did not answer in the last hour",
                ((f"sum(increase(dgdr_hardware_scrape_failures_total{{{_OURS}}}[1h]))", "failures"),),
            ),
            Panel(
                "Age of what is known of GPUs",
                ((f"time() - max(dgdr_hardware_last_update_timestamp_seconds{{{_OURS}}} > 0)", "age"),),
                unit="s",
                help="GPUs are looked for only while a request waits for them.",
            ),
        ),
    ),
    (
        "Controller",
        (
            Panel("Leader", ((f"sum(leader_election_master_status{{{_OURS}}})", "leaders"),), kind="stat", width=4),
            Panel(
                "Certificates end in",
                ((f"min by (certificate) ({_EXPIRY}{{{_OURS}}}) - time()", "{{certificate}}"),),
                unit="s",
                kind="stat",
                width=4,
            ),
            Panel("Reconciles", _rate("controller_runtime_reconcile_total", "result"), unit="ops", stacked=True),
            Panel("Time of a reconcile", _quantiles("controller_runtime_reconcile_time_seconds", ""), unit="s"),
            Panel("Depth of the workqueue", ((f"sum(workqueue_depth{{{_OURS}}})", "requests"),)),
            Panel("Time in the workqueue", _quantiles("workqueue_queue_duration_seconds", ""), unit="s"),
            Panel("Calls of the API server", _rate("rest_client_requests_total", "code"), unit="reqps", stacked=True),
            Panel("Webhooks", _rate("controller_runtime_webhook_requests_total", "webhook"), unit="reqps", width=6),
            Panel(
                "Time of a webhook",
                _quantiles("controller_runtime_webhook_latency_seconds", "webhook"),
                unit="s",
                width=6,
            ),
            Panel("Memory", ((f"process_resident_memory_bytes{{{_OURS}}}", "{{pod}}"),), unit="bytes", width=6),
            Panel(
                "CPU",
                ((f"rate(process_cpu_seconds_total{{{_OURS}}}[{_WINDOW}])", "{{pod}}"),),
                unit="percentunit",
                width=6,
            ),
        ),
    ),
)


def expressions() -> Iterator[str]:
    """Yield every expression of the dashboard, variables of Grafana left as they are."""
    for _, panels in ROWS:
        for panel in panels:
            yield from (expression for expression, _ in panel.queries)


def text() -> str:
    """Return the dashboard as Grafana imports it."""
    return json.dumps(_dashboard(), indent=1) + "\n"


def _dashboard() -> dict[str, Any]:
    return {
        "uid": UID,
        "title": TITLE,
        "tags": ["dynamo", "dgdr"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source_variable(), _namespace_variable()]},
        "panels": list(_panels()),
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _namespace_variable() -> dict[str, Any]:
    query = f"label_values(dgdr_requests{{{_OURS}}}, namespace)"
    return {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "namespace"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for title, panels in ROWS:
        yield {"id": number, "type": "row", "title": title, "gridPos": _position(0, y, WIDTH, 1), "panels": []}
        number, x, y = number + 1, 0, y + 1
        for panel in panels:
            if x + panel.width > WIDTH:
                x, y = 0, y + _HEIGHT
            yield _panel(panel, number, _position(x, y, panel.width, _HEIGHT))
            number, x = number + 1, x + panel.width
        y += _HEIGHT


def _position(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    drawn = {"stacking": {"mode": "normal"}, "fillOpacity": 20} if panel.stacked else {"fillOpacity": 0}
    at_once = panel.kind != "timeseries"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "gridPos": position,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {} if at_once else drawn},
            "overrides": [],
        },
        "transformations": [_WITHOUT_TIME] if panel.kind == "table" else [],
        "options": {} if at_once else {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": at_once,
                "range": not at_once,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
    }
