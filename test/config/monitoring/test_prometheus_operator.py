"""config/prometheus on an API server that has the Prometheus Operator's own CRDs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from hack.cluster.fixtures import brought_up, lacking
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from hack.cluster.progress import UnavailableError
from hack.kubectl import kubectl
from hack.monitoring.operator import definitions
from hack.monitoring.prometheus import CONFIG, NAMESPACE

pytestmark = [pytest.mark.cluster, pytest.mark.alone("monitoring")]

CLUSTER = Local(layout("test-monitoring"))


@pytest.fixture(scope="module")
def get() -> Iterator[Callable[..., Any]]:
    """Apply it as the page on metrics says, strictly; return what reads it back."""
    with brought_up(CLUSTER, Level.CONTROL_PLANE):
        try:
            manifests = definitions(["servicemonitors", "prometheusrules"])
        except UnavailableError as error:
            lacking(str(error))
        for manifest in manifests:
            kubectl(CLUSTER, "apply", "--server-side", "-f", str(manifest))
        kubectl(CLUSTER, "wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
        if not kubectl(CLUSTER, "get", "namespace", NAMESPACE, "--ignore-not-found"):
            kubectl(CLUSTER, "create", "namespace", NAMESPACE)
        kubectl(CLUSTER, "apply", "--validate=strict", "-k", str(CONFIG))

        def read(kind: str, name: str) -> Any:
            return json.loads(kubectl(CLUSTER, "-n", NAMESPACE, "get", kind, name, "-o", "json"))

        yield read


def test_nothing_of_it_is_unknown_to_the_operator(get: Callable[..., Any]) -> None:
    stored = get("prometheusrules", "dgdr-controller")["spec"]
    assert stored == yaml.safe_load((CONFIG / "rules.yaml").read_text())["spec"]
    monitor = yaml.safe_load((CONFIG / "service_monitor.yaml").read_text())["spec"]
    assert get("servicemonitors", "dgdr-controller")["spec"] == monitor


def test_monitor_finds_the_service_and_the_service_finds_the_pods(get: Callable[..., Any]) -> None:
    monitor, service = get("servicemonitors", "dgdr-controller")["spec"], get("service", "dgdr-metrics")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "dgdr-controller"  # as alerts and dashboard name it
    (port,), (endpoint,) = service["spec"]["ports"], monitor["endpoints"]
    assert endpoint["port"] == port["name"]
    template = yaml.safe_load((CHECKOUT / "config" / "manager" / "manager.yaml").read_text())["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert port["targetPort"] in [exposed["name"] for exposed in template["spec"]["containers"][0]["ports"]]
