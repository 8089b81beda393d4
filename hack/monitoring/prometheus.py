"""A real Prometheus that scrapes the controller as ``config/prometheus`` says, and knows its rules."""

import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.api import opener
from hack.cluster.layout import CHECKOUT
from hack.cluster.model import Cluster
from hack.cluster.progress import ClusterError
from hack.kubectl import kubectl, steady_port_forward
from hack.monitoring.programs import program

CONFIG = CHECKOUT / "config" / "prometheus"
NAMESPACE = "dgdr-system"
_LABEL = "app.kubernetes.io/name=dgdr-controller"
_READER, _ROLE = "dgdr-prometheus", "dgdr-metrics-reader"
_START_S = 30.0
_TIMEOUT_S = 10.0
PERIOD_S = 2
"""Seconds between two scrapes."""


def manifest(name: str) -> dict[str, Any]:
    """Return a manifest of ``config/prometheus``."""
    read: dict[str, Any] = yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))
    return read


def rules() -> dict[str, Any]:
    """Return the groups of rules, as Prometheus reads them from a file."""
    return {"groups": manifest("rules.yaml")["spec"]["groups"]}


def alerts() -> dict[str, dict[str, Any]]:
    """Return the rules of all groups, by their alerts."""
    return {rule["alert"]: rule for group in rules()["groups"] for rule in group["rules"]}


@dataclass(frozen=True, slots=True)
class Target:
    """A port of this machine that leads to a replica.

    Attributes:
        port: The port.
        pod: Name of the replica's pod.
    """

    port: int
    pod: str


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus.

    Attributes:
        url: Where it listens.
    """

    url: str

    def ask(self, what: str, **parameters: object) -> Any:
        """Return an answer of its HTTP API.

        Raises:
            ClusterError: It answers with an error, as to an expression that it cannot evaluate.
        """
        query = urllib.parse.urlencode(parameters)
        try:
            with opener().open(f"{self.url}/api/v1/{what}?{query}", timeout=_TIMEOUT_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ClusterError(f"Prometheus: {error.read().decode(errors='replace')[:500]}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now, with their values."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def values(self, expression: str) -> dict[tuple[str, ...], float]:
        """Return the present values of an expression, by the values of their labels (sorted by the labels' names)."""
        return {
            tuple(value for _, value in sorted(series["metric"].items())): float(series["value"][1])
            for series in self.query(expression)
        }


def scrape_config(targets: Sequence[Target], token: Path) -> dict[str, Any]:
    """Return what the Prometheus Operator makes of the monitor, for replicas that are reached in another way."""
    monitor = manifest("service_monitor.yaml")["spec"]
    (endpoint,) = monitor["endpoints"]
    labels = manifest("metrics_service.yaml")["metadata"]["labels"]
    return {
        "job_name": labels[monitor["jobLabel"]],
        "scrape_interval": f"{PERIOD_S}s",
        "scheme": endpoint["scheme"],
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint["honorLabels"],
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"insecure_skip_verify": endpoint["tlsConfig"]["insecureSkipVerify"]},
        "static_configs": [
            {"targets": [f"127.0.0.1:{target.port}"], "labels": {"pod": target.pod, "namespace": NAMESPACE}}
            for target in targets
        ],
    }


@contextlib.contextmanager
def running(folder: Path, scrapes: Sequence[Mapping[str, Any]]) -> Iterator[Prometheus]:
    """Run Prometheus with the rules; its data is in the folder.

    Raises:
        ClusterError: It does not start.
    """
    config = {
        "global": {"evaluation_interval": f"{PERIOD_S}s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": list(scrapes),
    }
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules()), encoding="utf-8")
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - Prometheus, with our files
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield Prometheus(_url(process, folder / "log"))
    finally:
        process.terminate()
        process.wait()


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Return where Prometheus listens: its log tells the port that it was given."""
    limit = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < limit:
        text = log.read_text(encoding="utf-8")
        if "Server is ready to receive web requests" in text:
            for line in text.splitlines():
                if 'msg="Listening on" address=' in line:
                    return f"http://{line.rpartition('address=')[2]}"
        time.sleep(0.1)
    raise ClusterError(f"Prometheus does not start: {log.read_text(encoding='utf-8')[-1000:]}")


@contextlib.contextmanager
def beside(cluster: Cluster, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes the controller's replicas, by an account that has the right of the monitor's.

    Raises:
        ClusterError: The controller is not installed, or Prometheus does not start.
    """
    pods = kubectl(cluster, "-n", NAMESPACE, "get", "pods", "-l", _LABEL, "-o", "jsonpath={.items[*].metadata.name}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_reader(cluster))
        token = folder / "token"
        with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(kubectl(cluster, "-n", NAMESPACE, "create", "token", _READER))
        targets = [
            Target(stack.enter_context(steady_port_forward(cluster, NAMESPACE, f"pod/{pod}", 8080)), pod)
            for pod in pods.split()
        ]
        yield stack.enter_context(running(folder, [scrape_config(targets, token)]))


@contextlib.contextmanager
def _reader(cluster: Cluster) -> Iterator[None]:
    """Have a ServiceAccount that may read the metrics, as the page on metrics says."""
    kubectl(cluster, "-n", NAMESPACE, "create", "serviceaccount", _READER)
    try:
        account = f"--serviceaccount={NAMESPACE}:{_READER}"
        kubectl(cluster, "create", "clusterrolebinding", _READER, f"--clusterrole={_ROLE}", account)
        yield
    finally:
        kubectl(cluster, "delete", "clusterrolebinding", _READER, "--ignore-not-found")
        kubectl(cluster, "-n", NAMESPACE, "delete", "serviceaccount", _READER)
