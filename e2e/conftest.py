import json
import time
from collections.abc import Iterator

import pytest

from e2e import measured_model
from e2e.claims import claim_of
from hack.cluster.api import Client
from hack.cluster.fixtures import lacking
from hack.cluster.local import Local
from hack.cluster.model import Cluster
from hack.cluster.progress import ClusterError, UnavailableError
from hack.commands import summary
from hack.dynamo import model
from hack.dynamo.operator import TIMINGS
from hack.images.load import load
from hack.images.names import Target
from hack.installation import install_controller, install_dynamo
from hack.kubectl import kubectl


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many of the documents' commands the tests run."""
    terminalreporter.write_line(summary())


@pytest.fixture(scope="session")
def dynamo(cluster: Cluster) -> Cluster:
    """A Dynamo that needs no GPUs."""
    if not isinstance(cluster, Local):
        pytest.skip("these tests install CRDs and a stand-in for Dynamo: only into a cluster of processes")
    try:
        install_dynamo(cluster)
    except UnavailableError as error:
        lacking(f"no images: {error}")
    return cluster


@pytest.fixture(scope="session")
def installed(dynamo: Cluster) -> Iterator[Cluster]:
    """The controller as a pod of its own image, with Dynamo."""
    install_controller(dynamo, *(load(dynamo, target) for target in (Target.CONTROLLER, Target.PROFILER)))
    yield dynamo
    log = _log(dynamo)
    assert "Traceback" not in log
    assert '"level":"error"' not in log.lower().replace(" ", "")


@pytest.fixture(scope="session")
def measurer(installed: Cluster) -> None:
    """The image with AIPerf, on the node."""
    load(installed, Target.MEASURER)


@pytest.fixture
def claim(api: Client, namespace: str) -> Iterator[str]:
    """A claim with a model that has a tokenizer, in ``qwen``."""
    with claim_of(api, namespace, "qwen", model.files(), measured_model.WEIGHTS_GIB) as name:
        yield name


@pytest.fixture
def engines(api: Client, namespace: str) -> None:
    """Simulated engines whose times are known."""
    data = {f"gpus-{gpus}": json.dumps(timing) for gpus, timing in measured_model.SURFACE.items()}
    api.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": TIMINGS, "namespace": namespace}, "data": data}
    )


def _log(cluster: Cluster) -> str:
    """Return the logs of the controller's pods, once those that took over from killed ones have some."""
    limit = time.monotonic() + 60
    while True:
        try:
            kubectl(cluster, "-n", "dgdr-system", "rollout", "status", "deployment/dgdr-controller", "--timeout=60s")
            return kubectl(
                cluster, "-n", "dgdr-system", "logs", "-l", "app.kubernetes.io/name=dgdr-controller", "--tail=-1"
            )
        except ClusterError:
            if time.monotonic() > limit:
                raise
            time.sleep(1)
