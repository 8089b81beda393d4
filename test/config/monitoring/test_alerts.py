"""The alerts, evaluated by promtool: each fires for what it is about, and not for what is all right."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.layout import CHECKOUT
from hack.monitoring.prometheus import alerts, rules

RUNBOOKS = CHECKOUT / "docs" / "how-to" / "respond-to-alerts.md"
ALERTS = alerts()
JOB = 'job="dgdr-controller"'
SINCE = "dgdr_request_phase_start_timestamp_seconds"


@dataclass(frozen=True)
class Case:
    """Series from time 0 on, a value each minute, and what is made of them.

    Attributes:
        alert: The alert.
        series: Series and values as promtool writes them: ``0+60x10`` is 0 and ten times 60 more.
        minutes: When it is looked.
        words: Labels and texts of the alert that fires, as far as they matter; None: it does not.
    """

    alert: str
    series: dict[str, str]
    minutes: int
    words: tuple[str, ...] | None


def stuck(phase: str) -> dict[str, str]:
    return {f'{SINCE}{{{JOB}, namespace="team", name="qwen", phase="{phase}"}}': "0x600"}


def profilings(succeeded: str, failed: str) -> dict[str, str]:
    return {
        f'dgdr_profilings_total{{{JOB}, strategy="rapid", outcome="succeeded"}}': succeeded,
        f'dgdr_profilings_total{{{JOB}, strategy="rapid", outcome="failed"}}': failed,
    }


def reconciles(total: str, errors: str) -> dict[str, str]:
    return {
        f'controller_runtime_reconcile_total{{{JOB}, result="success"}}': total,
        f"controller_runtime_reconcile_errors_total{{{JOB}}}": errors,
    }


def buckets(metric: str, labels: str, *, slow: bool) -> dict[str, str]:
    """A histogram of which every second observation took between 1 s and 100 s, or none."""
    return {
        f'{metric}_bucket{{{labels}, le="0.5"}}': "0+30x60" if slow else "0+60x60",
        f'{metric}_bucket{{{labels}, le="100"}}': "0+60x60",
        f'{metric}_bucket{{{labels}, le="+Inf"}}': "0+60x60",
    }


def leaders(*statuses: str) -> dict[str, str]:
    return {f'leader_election_master_status{{{JOB}, pod="{number}"}}': status for number, status in enumerate(statuses)}


def expiry(days: int) -> dict[str, str]:
    return {f'dgdr_webhook_certificate_expiry_timestamp_seconds{{{JOB}, certificate="serving"}}': f"{days * 86400}x60"}


QUEUE, WEBHOOK = "workqueue_queue_duration_seconds", "controller_runtime_webhook_latency_seconds"
CASES = [
    Case("DgdrRequestStuck", stuck("Pending"), 33, ("team/qwen", "phase Pending for 33m", "-n team qwen")),
    Case("DgdrRequestStuck", stuck("Pending"), 29, None),
    Case("DgdrRequestStuck", stuck("Deploying"), 123, ("team/qwen", "phase Deploying for 2h 3m")),
    Case("DgdrRequestStuck", stuck("Deploying"), 119, None),
    Case("DgdrRequestStuck", stuck("Profiling"), 423, ("team/qwen", "phase Profiling for 7h 3m")),
    Case("DgdrRequestStuck", stuck("Profiling"), 400, None),
    Case("DgdrProfilingsFail", profilings("0x90", "0 1 2 3x87"), 10, ("100%",)),
    Case("DgdrProfilingsFail", profilings("0 1 2 3 4x86", "0 1 2 3x87"), 10, None),  # less than half
    Case("DgdrProfilingsFail", profilings("0x90", "0 1 2x88"), 10, None),  # too few to tell
    Case("DgdrProfilingsFail", profilings("0x90", "3x90"), 10, None),  # long ago
    Case("DgdrNoLeader", leaders("0x60", "0x60"), 5, ("or Prometheus cannot scrape",)),
    Case("DgdrNoLeader", {}, 5, ("or Prometheus cannot scrape",)),  # nothing can be scraped
    Case("DgdrNoLeader", leaders("0x60", "1x60"), 5, None),
    Case("DgdrReconcileErrors", reconciles("0+6x60", "0+3x60"), 30, ("50%",)),
    Case("DgdrReconcileErrors", reconciles("0+60x60", "0+3x60"), 30, None),
    Case("DgdrReconcileErrors", reconciles("0+6x60", "0+3x20 60x40"), 50, None),  # it has passed
    Case("DgdrReconcilePanics", {f"controller_runtime_reconcile_panics_total{{{JOB}}}": "0x5 1x60"}, 8, ("traceback",)),
    Case("DgdrReconcilePanics", {f"controller_runtime_reconcile_panics_total{{{JOB}}}": "1x60"}, 20, None),
    Case("DgdrQueueLatency", buckets(QUEUE, JOB, slow=True), 30, ("1m 3", "in the workqueue")),
    Case("DgdrQueueLatency", buckets(QUEUE, JOB, slow=False), 30, None),
    Case("DgdrWebhookLatency", buckets(WEBHOOK, f'{JOB}, webhook="convert"', slow=True), 30, ("Webhook convert",)),
    Case("DgdrWebhookLatency", buckets(WEBHOOK, f'{JOB}, webhook="convert"', slow=False), 30, None),
    Case("DgdrCertificateExpires", expiry(10), 20, ("serving certificate ends soon", "It ends in 9d 23h 40m 0s")),
    Case("DgdrCertificateExpires", expiry(15), 20, None),
]


def evaluated(promtool: str, case: Case, folder: Path) -> str:
    """Return what promtool says of a case for which nothing is expected: the alerts that fire, or nothing."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules()))
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [{"eval_time": f"{case.minutes}m", "alertname": case.alert, "exp_alerts": []}],
    }
    file = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yaml").write_text(yaml.safe_dump(file))
    run = subprocess.run(
        [promtool, "test", "rules", "test.yaml"], cwd=folder, capture_output=True, check=False, text=True
    )
    output = run.stdout + run.stderr
    assert ("SUCCESS" in output) == (run.returncode == 0), output
    return "" if run.returncode == 0 else output


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}-{case.minutes}")
def test_alert_fires_for_what_it_is_about(monitoring_program: Callable[[str], str], tmp_path: Path, case: Case) -> None:
    fired = evaluated(monitoring_program("promtool"), case, tmp_path)
    if case.words is None:
        assert fired == ""
        return
    assert f'alertname="{case.alert}"' in fired
    assert [word for word in case.words if word not in fired] == [], fired


def test_every_alert_is_seen_to_fire_and_not_to() -> None:
    assert {case.alert for case in CASES if case.words is not None} == set(ALERTS)
    assert {case.alert for case in CASES if case.words is None} == set(ALERTS)


def test_rules_are_what_prometheus_reads(monitoring_program: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    command = [monitoring_program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(ALERTS)} rules found" in run.stdout + run.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_has_a_section_that_says_what_to_do(alert: str) -> None:
    assert ALERTS[alert]["annotations"]["runbook"] == f"docs/how-to/respond-to-alerts.md#{alert.lower()}"
    assert f"\n## {alert}\n" in RUNBOOKS.read_text()
