"""A thorough search on the real node: configurations are deployed, measured with AIPerf, and taken down again."""

import json
from typing import Any

import pytest
import yaml

from e2e.claims import empty_claim
from e2e.journey import GROUP, Journey, holds
from e2e.measured_model import ITL, SURFACE, spec
from hack.cluster.api import Client
from hack.cluster.local import Local
from hack.kubectl import kubectl

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed", "measurer"),
]


def graphs(api: Client, namespace: str) -> list[str]:
    items = api.request("GET", f"{GROUP}/namespaces/{namespace}/dynamographdeployments")["items"]
    return [item["metadata"]["name"] for item in items]


def points(journey: Journey) -> list[dict[str, Any]]:
    """Return what is published as measured."""
    found = journey.get(f"/api/v1/namespaces/{journey.namespace}/configmaps/dgdr-output-{journey.name}") or {}
    return list(json.loads(found.get("data", {}).get("trials", "{}")).get("points", []))


def profiling_pods(api: Client, namespace: str) -> list[str]:
    items = api.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector=app=dynamo-profiler")["items"]
    return [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]


def thorough(claim: str, **others: Any) -> dict[str, Any]:
    return spec(claim) | {"searchStrategy": "thorough", "autoApply": False} | others


def keeping(claim: str) -> dict[str, Any]:
    """Return the part of a request by which files are kept in a claim."""
    volume = {"name": "profiling-output", "persistentVolumeClaim": {"claimName": claim}}
    return {"overrides": {"profilingJob": {"template": {"spec": {"volumes": [volume]}}}}}


@pytest.mark.slow  # ten minutes beside other tests: the node's two cores run engines and the load generator
@pytest.mark.usefixtures("engines")
def test_thorough_search_measures_chooses_and_goes_on_after_its_pod(api: Client, namespace: str, claim: str) -> None:
    with empty_claim(api, namespace) as (output, folder), Journey(api, namespace, "thorough") as journey:
        journey.apply(**thorough(claim, **keeping(output)))
        assert journey.wait(lambda: len(points(journey)) > 0, 600), journey.status()["conditions"]
        before = points(journey)
        assert "trial 1, vllm" in journey.condition("Profiling")["message"]
        assert graphs(api, namespace)
        (pod,) = profiling_pods(api, namespace)
        api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{pod}")
        assert journey.wait(lambda: profiling_pods(api, namespace) not in ([pod], []), 120)
        assert journey.wait(lambda: len(points(journey)) > len(before), 600), journey.status()["conditions"]
        assert points(journey)[: len(before)] == before
        assert journey.reaches("Ready", "Failed", seconds=600) == "Ready", journey.status()["conditions"]
        results = journey.status()["profilingResults"]
        chosen, *_ = results["pareto"]
        assert chosen["source"] == "measured"
        assert chosen["gpus"] == 2, "of one GPU, ITL misses the target; more GPUs than needed are wasted"
        assert SURFACE[2]["decode_ms"] * 0.9 < chosen["itl"] <= ITL
        assert chosen["meetsSla"]
        assert results["provenance"]["mode"] == "thorough"
        assert len(journey.jobs) == 1
        assert "TrialReady" in journey.events()
        assert holds(lambda: graphs(api, namespace) == []), "trials are left behind"
        kept = folder / "thorough"
        deployments = [yaml.safe_load(path.read_text()) for path in kept.glob("*/dgd.yaml")]
        assert {deployment["kind"] for deployment in deployments} == {"DynamoGraphDeployment"}
        assert len(list(kept.glob("*/aiperf/*/run-1/exports/profile_export.jsonl"))) > len(before)
        journey.annotate(deploy="recommended", verify="10s")
        assert journey.wait(
            lambda: journey.condition("PerformanceVerified").get("status") not in (None, "Unknown"), 300
        )
        verified = journey.condition("PerformanceVerified")
        assert verified["status"] == "True", verified["message"]
        assert list((kept / "verification").glob("run-1/exports/profile_export.jsonl"))
        api.request("DELETE", journey.path)
        api.request("DELETE", journey.graph_path)


KILL = """
import os, signal
for child in open("/proc/1/task/1/children").read().split():
    os.kill(int(child), signal.SIGKILL)
"""


def killed_publisher(cluster: Local, namespace: str) -> None:
    job = "job/profile-killed"
    kubectl(cluster, "-n", namespace, "exec", job, "-c", "output-copier", "--", "/opt/dgdr/bin/python", "-c", KILL)


def killed_controller(cluster: Local, _: str) -> None:
    kubectl(cluster, "-n", "dgdr-system", "delete", "pods", "--all", "--grace-period=0", "--force")


def killed_frontend(cluster: Local, namespace: str) -> None:
    labels = "nvidia.com/dynamo-graph-deployment-name,nvidia.com/dynamo-component-type=frontend"
    kubectl(cluster, "-n", namespace, "delete", "pods", "-l", labels, "--grace-period=0", "--force")


def restarted_kubelet(cluster: Local, _: str) -> None:
    cluster.restart("kubelet")


@pytest.mark.slow
@pytest.mark.usefixtures("engines")
def test_search_bears_whatever_is_killed(installed: Local, api: Client, namespace: str, claim: str) -> None:
    with Journey(api, namespace, "killed") as journey:
        journey.apply(**thorough(claim))
        seen: list[dict[str, Any]] = []
        for kill in (killed_publisher, killed_controller, killed_frontend, restarted_kubelet):
            assert journey.wait(lambda: graphs(api, namespace) != [], 300), journey.status()["conditions"]
            more = len(seen) + 1
            journey.wait(lambda more=more: len(points(journey)) >= more, 120)  # type: ignore[misc]
            assert points(journey)[: len(seen)] == seen, "points that were accepted are lost"
            seen = points(journey)
            kill(installed, namespace)
        assert journey.reaches("Ready", "Failed", seconds=900) == "Ready", journey.status()["conditions"]
        chosen, *_ = journey.status()["profilingResults"]["pareto"]
        assert chosen["source"] == "measured"
        assert chosen["gpus"] == 2, "it chooses what an undisturbed search does"
        assert SURFACE[2]["decode_ms"] * 0.9 < chosen["itl"] <= ITL
        assert len(journey.jobs) == 1
        assert holds(lambda: graphs(api, namespace) == []), "trials are left behind"


@pytest.mark.slow
@pytest.mark.usefixtures("engines")
def test_two_searches_share_the_gpus(api: Client, namespace: str, claim: str) -> None:
    """Each may use all eight GPUs of the node."""
    eight = {"hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}}
    limited = {"dgdr.nvidia.com/measuring-minutes": "12"}
    with Journey(api, namespace, "first") as first, Journey(api, namespace, "second") as second:
        for journey in (first, second):
            journey.apply(annotations=limited, **thorough(claim, **eight))
        for journey in (first, second):
            assert journey.reaches("Ready", "Failed", seconds=1500) == "Ready", journey.status()["conditions"]
            chosen, *_ = journey.status()["profilingResults"]["pareto"]
            assert chosen["source"] == "measured"
        assert holds(lambda: graphs(api, namespace) == []), "trials are left behind"


@pytest.mark.usefixtures("engines")
def test_trials_go_with_the_request(api: Client, namespace: str, claim: str) -> None:
    with Journey(api, namespace, "deleted") as journey:
        journey.apply(**thorough(claim))
        assert journey.wait(lambda: graphs(api, namespace) != [], 300), journey.status()["conditions"]
        api.request("DELETE", journey.path)
        assert holds(lambda: graphs(api, namespace) == [], 60)
