"""What installs the controller, on a cluster that nobody else uses. Tests that do so are marked `alone("install")`."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.api import Client
from hack.cluster.fixtures import Kept, brought_up
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Level

SYSTEM = "dgdr-system"
ROOT = Path(CHECKOUT)
IMAGES = {
    "IMG": "registry.example:5000/team/dgdr:v1",
    "PROFILER_IMG": "registry.example:5000/team/profiler@sha256:ab",
    "MEASURER_IMG": "registry.example:5000/team/measurer@sha256:cd",
}


class Installer:
    """Runs the Makefile's targets and kubectl against one cluster.

    Attributes:
        is_deployed: A file that is there while the controller is installed by this run.
    """

    images = IMAGES

    def __init__(self, cluster: Local, kubectl: str) -> None:
        self.api = Client(cluster.kubeconfig)
        self.is_deployed = cluster.layout.root / f"deployed-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
        self._kubectl = kubectl
        self._environment = os.environ | {
            "KUBECONFIG": str(cluster.kubeconfig),
            "KUBECACHEDIR": str(cluster.layout.root),
        }

    def make(self, *targets: str) -> str:
        variables = [f"{name}={value}" for name, value in (IMAGES | {"KUBECTL": self._kubectl}).items()]
        return self._run("make", "--no-print-directory", *targets, *variables)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self._run(self._kubectl, *arguments, stdin=stdin)

    def exists(self, *what: str) -> bool:
        return bool(self.kubectl("get", *what, "--ignore-not-found"))

    def may(self, verb: str, resource: str, namespace: str = "", name: str = "") -> bool:
        """Say whether the controller's account may do this to ``group/resource:subresource``."""
        group, _, rest = resource.rpartition("/")
        plural, _, sub = rest.partition(":")
        asked = {
            "verb": verb,
            "group": group,
            "resource": plural,
            "subresource": sub,
            "namespace": namespace,
            "name": name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": f"system:serviceaccount:{SYSTEM}:dgdr-controller", "resourceAttributes": asked},
        }
        return bool(self.api.create(review)["status"]["allowed"])

    def _run(self, *command: str, stdin: str = "") -> str:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environment, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout


@pytest.fixture
def installer(kept: Kept, kubectl_program: str) -> Installer:
    """On a control plane of the folder's own: what is installed is for a whole cluster."""
    return kept.have("installer", lambda: _installing(kubectl_program))


@contextlib.contextmanager
def _installing(kubectl: str) -> Iterator[Installer]:
    cluster = Local(layout("test-install"))
    with brought_up(cluster, Level.CONTROL_PLANE):
        yield Installer(cluster, kubectl)


@pytest.fixture
def nothing_installed(installer: Installer) -> Installer:
    """As on a new cluster."""
    if installer.is_deployed.exists():
        installer.is_deployed.unlink()
        installer.kubectl("delete", "-f", "hack/dynamo/crd.yaml")
        installer.make("undeploy")
    return installer


@pytest.fixture
def deployed(installer: Installer) -> Installer:
    """With controller and Dynamo's CRD, whichever process of the run has installed them."""
    if not installer.is_deployed.exists():
        installer.make("deploy")
        installer.kubectl("apply", "-f", "hack/dynamo/crd.yaml")
        installer.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
        installer.is_deployed.touch()
    return installer
