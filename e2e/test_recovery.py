import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.journey import Journey
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.layout import CHECKOUT
from hack.cluster.local import Local
from hack.cluster.progress import ClusterError
from hack.images.load import load
from hack.images.names import Target
from hack.installation import install_controller
from hack.kubectl import kubectl

pytestmark = [*(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node"))]

GRAPH_CRD = CHECKOUT / "hack" / "dynamo" / "crd.yaml"


@contextlib.contextmanager
def profiler_image(cluster: Local, image: str) -> Iterator[None]:
    """Run the controller with another profiler for a while."""
    images = [load(cluster, target) for target in (Target.CONTROLLER, Target.PROFILER)]
    _install_and_wait(cluster, images[0], image)
    try:
        yield
    finally:
        _install_and_wait(cluster, *images)


def _install_and_wait(cluster: Local, controller: str, profiler: str) -> None:
    """Install, and wait until the pods before have gone: until then one of them leads, with its own settings."""
    before = kubectl(cluster, "-n", "dgdr-system", "get", "pods", "-o", "name").split()
    install_controller(cluster, controller, profiler)
    kubectl(cluster, "-n", "dgdr-system", "wait", "--for=delete", *before, "--timeout=180s")


def test_missing_profiler_image_is_named_and_the_next_job_takes_the_right_one(
    installed: Local, api: Client, namespace: str
) -> None:
    with Journey(api, namespace, "unpulled") as journey:
        with profiler_image(installed, "localhost/nowhere:none"):
            journey.apply(backend="vllm", autoApply=False)
            assert journey.wait(lambda: journey.condition("Profiling").get("reason") == "ImagePullFailed")
            said = journey.condition("Profiling")["message"]
            assert said.startswith("pod profile-unpulled-")
            assert "localhost/nowhere:none" in said
            assert journey.phases[-1] == "Profiling"
            assert journey.wait(lambda: "ImagePullFailed" in journey.events(), 10), journey.events()
        # The setting is right again: the Job, which cannot be changed, is made anew once it is deleted.
        api.request(
            "DELETE", f"/apis/batch/v1/namespaces/{namespace}/jobs/profile-unpulled?propagationPolicy=Background"
        )
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert len(journey.jobs) == 2
        assert journey.wait(lambda: "RetryingJob" in journey.events(), 10), journey.events()


INTERRUPT = """
import os, signal, sys
child = open("/proc/1/task/1/children").read().split()[0]
caught = next(line.split()[1] for line in open(f"/proc/{child}/status") if line.startswith("SigCgt"))
if not int(caught, 16) >> signal.SIGTERM - 1 & 1:
    sys.exit("the profiler does not listen yet")
os.kill(1, signal.SIGTERM)
"""


def test_interrupted_profiler_is_run_again_by_its_job(installed: Local, api: Client, namespace: str) -> None:
    def pods() -> list[str]:
        found = journey.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=job-name=profile-interrupted")
        return [pod["metadata"]["name"] for pod in (found or {"items": []})["items"]]

    def interrupt() -> bool:
        where = ("-n", namespace, "exec", *pods(), "-c", "profiler")
        try:
            kubectl(installed, *where, "--", "/opt/dgdr/bin/python", "-c", INTERRUPT)
        except ClusterError:
            return False  # it does not run yet
        return True

    with Journey(api, namespace, "interrupted") as journey:
        # The longest search of this model: time enough to come in between.
        journey.apply(backend="auto", autoApply=False, hardware={"gpuSku": "h200_sxm", "totalGpus": 16})
        assert journey.wait(interrupt)
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert len(journey.jobs) == 1
        assert len(pods()) == 2


SIGNALLED_S = 120
"""Seconds that a replacement takes at most on a busy machine (15 on an idle one); a lost signal makes it ten minutes."""


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("seconds", [0.0, 0.7, 1.5, 3.0])
def test_deleted_job_is_replaced_at_once(api: Client, namespace: str, seconds: float) -> None:
    """Whatever its containers were doing: a signal that is lost would keep the old pod for its ten minutes of grace."""
    job = f"/apis/batch/v1/namespaces/{namespace}/jobs/profile-replaced"

    def uid() -> str:
        return str((journey.get(job) or {"metadata": {"uid": ""}})["metadata"]["uid"])

    def pods(job_uid: str) -> list[Any]:
        labelled = f"?labelSelector=batch.kubernetes.io/controller-uid={job_uid}"
        found = journey.get(f"/api/v1/namespaces/{namespace}/pods{labelled}")
        return list((found or {"items": []})["items"])

    def runs(job_uid: str) -> bool:
        """Say whether the first container of a Job's pod runs: the publisher."""
        containers = [c for pod in pods(job_uid) for c in pod["status"].get("initContainerStatuses", [])]
        return bool(job_uid) and any("running" in container["state"] for container in containers)

    with Journey(api, namespace, "replaced") as journey:
        journey.apply(backend="vllm", autoApply=False)
        assert journey.wait(lambda: runs(uid()))
        first = uid()
        time.sleep(seconds)
        begun = time.monotonic()
        api.request("DELETE", f"{job}?propagationPolicy=Background")
        assert journey.wait(lambda: uid() not in ("", first) and runs(uid()), SIGNALLED_S)
        assert journey.wait(lambda: not pods(first), begun + SIGNALLED_S - time.monotonic())
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert len(journey.jobs) == 2


@pytest.mark.usefixtures("installed")
def test_profiler_that_runs_out_of_memory_is_named_and_runs_again_with_more(api: Client, namespace: str) -> None:
    def limited(memory: str) -> dict[str, Any]:
        resources = {"requests": {"memory": memory}, "limits": {"memory": memory}}
        container = {"name": "profiler", "resources": resources}
        return {"profilingJob": {"backoffLimit": 0, "template": {"spec": {"containers": [container]}}}}

    with Journey(api, namespace, "small") as journey:
        journey.apply(backend="vllm", autoApply=False, overrides=limited("96Mi"))
        assert journey.reaches("Failed", "Ready") == "Failed", journey.status()["conditions"]
        said = journey.condition("Profiling")["message"]
        # The kernel kills the profiler, or one of the processes that it searches with: then the profiler says so.
        assert re.search(r"OOMKilled|out of memory: .* limit of 96 MiB", said), said
        api.request("PATCH", journey.path, {"spec": {"overrides": limited("4Gi")}}, MERGE_PATCH)
        assert journey.reaches("Ready") == "Ready", journey.status()["conditions"]


@pytest.mark.usefixtures("installed")
def test_evicted_pod_is_replaced_by_its_job(api: Client, namespace: str) -> None:
    """As by `kubectl drain`: the Eviction API ends the pod, and its end does not count against the Job."""

    def pods() -> list[str]:
        found = journey.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=job-name=profile-evicted")
        return [pod["metadata"]["name"] for pod in (found or {"items": []})["items"]]

    def evicted() -> bool:
        name = next(iter(pods()), None)
        if name is None:
            return False
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        api.request("POST", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", eviction)
        gone.append(name)
        return True

    gone: list[str] = []
    with Journey(api, namespace, "evicted") as journey:
        journey.apply(backend="vllm", autoApply=False)
        assert journey.wait(evicted)
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert len(journey.jobs) == 1
        assert set(pods()) - set(gone)


def test_drained_node_is_waited_for(installed: Local, api: Client, namespace: str) -> None:
    (node,) = kubectl(installed, "get", "nodes", "-o", "name").split()

    def drained() -> bool:
        found = journey.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=job-name=profile-drained")
        if not any(pod["status"]["phase"] == "Running" for pod in (found or {"items": []})["items"]):
            return False
        selected = "--pod-selector=job-name=profile-drained"
        kubectl(installed, "drain", node, selected, "--delete-emptydir-data", "--ignore-daemonsets", "--force")
        return True

    with Journey(api, namespace, "drained") as journey:
        try:
            journey.apply(backend="vllm", autoApply=False)
            assert journey.wait(drained)
            assert journey.wait(lambda: journey.condition("Profiling").get("reason") == "Unschedulable")
            assert "unschedulable" in journey.condition("Profiling")["message"]
        finally:
            kubectl(installed, "uncordon", node)
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert len(journey.jobs) == 1


@pytest.mark.slow
def test_result_waits_for_an_api_server_that_is_away_for_three_minutes(
    installed: Local, api: Client, namespace: str
) -> None:
    with Journey(api, namespace, "away") as journey:
        journey.apply(backend="vllm", autoApply=False)
        assert journey.wait(lambda: journey.status().get("profilingPhase", "").startswith("Sweeping"), 120)
        installed.hold("kube-apiserver")
        try:
            time.sleep(180)
        finally:
            installed.release("kube-apiserver")
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert len(journey.jobs) == 1
        pods = api.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector=job-name=profile-away")["items"]
        assert len(pods) == 1


def test_dynamo_may_come_later_than_the_request(installed: Local, api: Client, namespace: str) -> None:
    kubectl(installed, "delete", "-f", str(GRAPH_CRD), "--wait")
    try:
        with Journey(api, namespace, "early") as journey:
            journey.apply(backend="vllm")
            assert journey.reaches("Deploying", "Failed") == "Deploying"
            assert journey.wait(lambda: journey.condition("DeploymentReady").get("reason") == "WaitingForDynamo")
            assert journey.phases[-2:] == ["Profiling", "Deploying"]
            assert "waiting for Dynamo's operator" in journey.condition("DeploymentReady")["message"]
            kubectl(installed, "apply", "-f", str(GRAPH_CRD))
            assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
            assert len(journey.graphs) == 1
    finally:
        kubectl(installed, "apply", "-f", str(GRAPH_CRD))


@pytest.mark.usefixtures("installed")
def test_deployment_of_another_owner_is_left_alone_until_it_is_gone(api: Client, namespace: str) -> None:
    spec: dict[str, list[str]] = {"components": []}
    foreign = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "spec": spec}
    api.create(foreign | {"metadata": {"name": "taken-dgd", "namespace": namespace}})
    with Journey(api, namespace, "taken") as journey:
        before = api.request("GET", journey.graph_path)
        journey.apply(backend="vllm")
        assert journey.wait(lambda: journey.condition("DeploymentReady").get("reason") == "NameConflict", 180)
        assert "does not belong to this request" in journey.condition("DeploymentReady")["message"]
        assert journey.wait(lambda: journey.events()[-1] == "NameConflict", 10), journey.events()
        after = api.request("GET", journey.graph_path)
        assert json.dumps(after["spec"]) == json.dumps(before["spec"])
        assert (after["metadata"]["uid"], after["metadata"]["generation"]) == (before["metadata"]["uid"], 1)
        api.request("DELETE", journey.graph_path)
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert api.request("GET", journey.graph_path)["metadata"]["uid"] != before["metadata"]["uid"]
        # One that is deleted while it is followed is not made again.
        api.request("DELETE", journey.graph_path)
        assert journey.reaches("Failed") == "Failed"
        assert journey.get(journey.graph_path) is None
