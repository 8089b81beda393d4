"""Everything that a request needs, installed on a cluster of this machine: GPUs, a Dynamo, the controller."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from hack.cluster import images as images_of_a_node
from hack.cluster.api import Client
from hack.cluster.binaries import kubectl as kubectl_program
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.layout import CHECKOUT
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.progress import ClusterError, step
from hack.cluster.supervisor import Component
from hack.dynamo import environment as dynamo_environment
from hack.images.inputs import content_hash, hash_of
from hack.images.load import load
from hack.images.names import Target, image
from hack.kubectl import environment, kubectl
from hack.virtual_kubelet import installation as virtual_installation

GPUS = FakeGpus(8, "NVIDIA-H200", 143_771)
_SAMPLE = CHECKOUT / "config" / "samples" / "qwen3-32b.yaml"
_WEBHOOKS_S = 30.0
_PERIOD_S = 0.3
_OPERATOR = "dynamo"
"""Component that stands in for Dynamo's operator."""
IMAGES = (Target.CONTROLLER, Target.PROFILER, Target.DYNAMO)
"""Images that a cluster of this machine needs."""


def is_virtual(cluster: Cluster) -> bool:
    """Say whether the pods of a cluster are processes of this machine."""
    return isinstance(cluster, Local) and cluster.level is Level.VIRTUAL_NODE


def install(cluster: Cluster) -> None:
    """Install the controller of this checkout with all that it needs, and wait until it is ready.

    On a cluster of ours, GPUs that are not there and a Dynamo that needs none are part of it.

    Raises:
        ClusterError: Something cannot be built or installed, or does not get ready.
    """
    if cluster.ours and cluster.node:
        offer_gpus(Client(cluster.kubeconfig), cluster.node, GPUS)
    if cluster.ours:
        install_dynamo(cluster)
    if is_virtual(cluster) and isinstance(cluster, Local):
        with step("Installing the controller"):
            # What runs is this checkout; the tag has the Deployment rolled out when its code has changed.
            controller, profiler = (image(target, content_hash(target)) for target in IMAGES[:2])
            virtual_installation.install(cluster, controller, profiler)
    else:
        install_controller(cluster, *(load(cluster, target) for target in (Target.CONTROLLER, Target.PROFILER)))


def install_dynamo(cluster: Cluster) -> None:
    """Install Dynamo's CRD and image on a cluster of ours, and where that runs programs for us, the operator.

    Raises:
        ClusterError: The image cannot be built, or kubectl fails.
    """
    if is_virtual(cluster) and isinstance(cluster, Local):
        dynamo_environment.offer(cluster.layout.root)
    else:
        load(cluster, Target.DYNAMO)
    _install_graphs(cluster)
    if isinstance(cluster, Local):
        cluster.add(Component(_OPERATOR, _operator(cluster), revision=_operator_revision()))


def install_controller(cluster: Cluster, controller: str, profiler: str) -> None:
    """Install the controller with these images, and wait until it is ready.

    Raises:
        ClusterError: It cannot be installed, or does not get ready.
    """
    with step("Installing the controller"):
        images = (f"IMG={controller}", f"PROFILER_IMG={profiler}", f"KUBECTL={kubectl_program()}")
        made = subprocess.run(  # noqa: S603 - make, with our arguments
            ["make", "--silent", "deploy", *images],  # noqa: S607 - any make
            cwd=CHECKOUT,
            env=environment(cluster),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ClusterError(f"make deploy failed:\n{made.stderr.strip()[-2000:]}")
        kubectl(cluster, "-n", "dgdr-system", "rollout", "status", "deployment/dgdr-controller", "--timeout=120s")
        _wait_for_webhooks(cluster)


def _wait_for_webhooks(cluster: Cluster) -> None:
    """Wait until requests can be created: a Service leads to a pod some moments after the pod is ready."""
    limit = time.monotonic() + _WEBHOOKS_S
    while True:
        try:
            kubectl(cluster, "create", "--dry-run=server", "-f", str(_SAMPLE))
        except ClusterError as error:
            if "AlreadyExists" in str(error):  # an earlier demo's: it was judged all the same
                return
            if "failed calling webhook" not in str(error) or time.monotonic() > limit:
                raise
            time.sleep(_PERIOD_S)
        else:
            return


def _install_graphs(cluster: Cluster) -> None:
    """Apply Dynamo's CRD. kubectl looks first and creates then: of two that install at once, one comes too late."""
    apply = ("apply", "-f", str(CHECKOUT / "hack" / "dynamo" / "crd.yaml"))
    try:
        kubectl(cluster, *apply)
    except ClusterError as error:
        if "AlreadyExists" not in str(error):
            raise
        kubectl(cluster, *apply)


def _operator(cluster: Cluster) -> tuple[str, ...]:
    return (sys.executable, "-m", "hack.dynamo", str(cluster.kubeconfig))


def _operator_revision() -> str:
    folders = ("api", "dgdr_controller/runtime", "hack/dynamo")
    return hash_of([], [path for folder in folders for path in (CHECKOUT / folder).rglob("*.py")])


@contextlib.contextmanager
def dynamo_operator(cluster: Cluster) -> Iterator[None]:
    """Run Dynamo's stand-in for a while, where the cluster does not run programs for us."""
    if not cluster.ours or isinstance(cluster, Local):
        yield
        return
    cluster.load(images_of_a_node.archive())  # the pause image, for components that are neither frontend nor engine
    with subprocess.Popen(_operator(cluster), cwd=CHECKOUT, stderr=subprocess.DEVNULL) as program:  # noqa: S603 - ours
        try:
            yield
        finally:
            program.terminate()
