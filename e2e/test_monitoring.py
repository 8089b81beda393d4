"""What a real Prometheus sees of the installed controller: dashboard and alerts, on live metrics."""

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.journey import Journey, holds
from hack.cluster.api import Client
from hack.cluster.fixtures import lacking
from hack.cluster.local import Local
from hack.cluster.progress import UnavailableError
from hack.monitoring import dashboard, picture
from hack.monitoring.prometheus import Prometheus, alerts, beside

pytestmark = [*(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node"))]

SELDOM = "dgdr_result_latency_seconds"
"""Is known only where the kubelet has reported the profiler's end before the result was taken."""
_SCRAPED_S = 20.0


@pytest.fixture
def prometheus(installed: Local, tmp_path: Path) -> Iterator[Prometheus]:
    try:
        with beside(installed, tmp_path) as running:
            yield running
    except UnavailableError as error:
        lacking(str(error))


def soon(condition: Callable[[], bool]) -> bool:
    """Say whether something is seen within a few scrapes."""
    return holds(condition, _SCRAPED_S)


def test_requests_are_seen_in_their_phases_and_every_expression_has_values(
    prometheus: Prometheus, api: Client, namespace: str
) -> None:
    counted, began = f'dgdr_requests{{namespace="{namespace}"}}', time.time()
    failures = 'sum by (condition) (dgdr_failures_total{condition="Profiling"})'
    assert soon(lambda: prometheus.values("sum(leader_election_master_status)") == {(): 1})
    assert set(prometheus.values("up").values()) == {1}
    failed_before = prometheus.values(failures)
    with (
        Journey(api, namespace, "served") as served,
        Journey(api, namespace, "too-large") as too_large,
        Journey(api, namespace, "waits") as waits,
    ):
        served.apply(backend="vllm", model="Qwen/Qwen3-32B", workload={"isl": 3000, "osl": 300})
        too_large.apply(backend="vllm", model="meta-llama/Meta-Llama-3.1-405B")
        waits.apply(backend="vllm", model="Qwen/Qwen3-32B", hardware={"gpuSku": "b200_sxm"})
        assert too_large.reaches("Failed") == "Failed"
        assert served.reaches("Deployed") == "Deployed"

        sums = f"sum by (phase) ({counted})"
        assert soon(lambda: prometheus.values(sums) == {("Deployed",): 1, ("Failed",): 1, ("Pending",): 1})
        (since,) = prometheus.query(f'dgdr_request_phase_start_timestamp_seconds{{namespace="{namespace}"}}')
        assert (since["metric"]["name"], since["metric"]["phase"]) == ("waits", "Pending")
        assert began - 2 <= float(since["value"][1]) <= time.time()
        failed = prometheus.values(failures)
        assert failed[("Profiling",)] == failed_before[("Profiling",)] + 1

        asked = {
            expression: sum(map(math.isfinite, prometheus.values(picture.filled(expression)).values()))
            for expression in dashboard.expressions()
        }
        assert [expression for expression, number in asked.items() if not number and SELDOM not in expression] == []

        if file := os.environ.get("DASHBOARD"):  # draw it, for people
            Path(file).write_text(picture.draw(prometheus, time.time() - began), encoding="utf-8")
        for journey in (served, too_large, waits):
            api.request("DELETE", journey.path)
        assert soon(lambda: prometheus.query(counted) == [])
    states = _states(prometheus)
    assert {name: health for name, (health, _) in states.items()} == dict.fromkeys(alerts(), "ok")
    assert "firing" not in {state for _, state in states.values()}


def _states(prometheus: Prometheus) -> dict[str, tuple[str, str]]:
    """Return each alert's health, which is its expression's, and its state."""
    groups = prometheus.ask("rules", type="alert")["groups"]
    return {rule["name"]: (rule["health"], rule["state"]) for group in groups for rule in group["rules"]}
