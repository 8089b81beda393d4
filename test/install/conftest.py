"""What installs the controller, on clusters that nobody else uses."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.api import Client
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Level

SYSTEM = "dgdr-system"
ROOT = Path(CHECKOUT)
IMAGES = {"IMG": "registry.example:5000/team/dgdr:v1", "PROFILER_IMG": "registry.example:5000/team/profiler@sha256:ab"}


class Installer:
    """Runs the Makefile's targets and kubectl against one cluster."""

    images = IMAGES

    def __init__(self, cluster: Local, kubectl: str) -> None:
        self.api = Client(cluster.kubeconfig)
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


@pytest.fixture(scope="module")
def installer(request: pytest.FixtureRequest, kubectl_program: str) -> Iterator[Installer]:
    """On a control plane of the module's own: what is installed is for a whole cluster."""
    cluster = Local(layout(f"test-{request.module.__name__.rpartition('.')[2][5:25]}"))
    with brought_up(cluster, Level.CONTROL_PLANE):
        yield Installer(cluster, kubectl_program)
