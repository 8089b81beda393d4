import base64
import gzip
import json
import re
from typing import Any

import pytest

from dgdr_api.names import LABEL_GRAPH
from e2e.journey import Journey
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.local import Local
from hack.dynamo.endpoint import Endpoint
from hack.kubectl import kubectl

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]


def gpus(graph: dict[str, Any]) -> int:
    containers = [(c["replicas"], c["podTemplate"]["spec"]["containers"][0]) for c in graph["spec"]["components"]]
    return sum(n * int(c.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0)) for n, c in containers)


def test_request_is_profiled_and_deployed_and_its_deployment_outlives_it(api: Client, namespace: str) -> None:
    with Journey(api, namespace, "whole") as journey:
        journey.apply(backend="vllm", hardware={})  # eight H200, by the node's labels
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        passed = [phase for phase in journey.phases if phase != "Pending"]  # which may last less than a look
        assert passed == ["Profiling", "Deploying", "Deployed"]
        status = journey.status()
        assert [(c["type"], c["status"]) for c in status["conditions"]][:6] == [
            (kind, "True")
            for kind in (
                "Validation",
                "Profiling",
                "ProfilingComplete",
                "SpecGenerated",
                "DeploymentReady",
                "Succeeded",
            )
        ]
        assert status["hardware"]["gpuSku"] == "h200_sxm"
        assert status["hardware"]["sources"] == {
            **dict.fromkeys(("gpuSku", "vramMb"), "node-labels"),
            **dict.fromkeys(("totalGpus", "numGpusPerNode"), "node-allocatable"),
            "interconnect": "sku-table",
        }
        assert len(json.dumps(status)) < 16 * 1024
        first, *others = status["profilingResults"]["pareto"]
        assert first["gpus"] == 8
        assert len(others) >= 3
        graph = api.request("GET", journey.graph_path)
        assert graph["spec"] == status["profilingResults"]["selectedConfig"]["spec"]
        assert gpus(graph) == 8
        assert "ownerReferences" not in graph["metadata"]
        pods = api.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={LABEL_GRAPH}=whole-dgd")
        held = [
            int(p["spec"]["containers"][0]["resources"].get("limits", {}).get("nvidia.com/gpu", 0))
            for p in pods["items"]
            if p["status"]["phase"] == "Running"
        ]
        assert sum(held) == 8
        made = {"uid": graph["metadata"]["uid"], "replicas": len(held), "availableReplicas": len(held)}
        assert status["deploymentInfo"] == made
        answer = Endpoint(api, namespace, "whole-dgd").chat("Qwen/Qwen3-32B", "Why is the sky blue?", 12)
        assert answer["usage"]["completion_tokens"] == 12
        output = api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/dgdr-output-whole")
        results = json.loads(gzip.decompress(base64.b64decode(output["binaryData"]["results.json.gz"])))
        assert results["selected"] == first["id"]
        told = ["Initialized", "ProfilingJobCreated", "SpecGenerated", "DeploymentCreated", "DeploymentReady"]
        assert journey.wait(lambda: journey.events() == told, 10), journey.events()
        assert (len(journey.jobs), len(journey.graphs)) == (1, 1)
        api.request("DELETE", journey.path)
        derived = (
            f"/apis/batch/v1/namespaces/{namespace}/jobs/profile-whole",
            f"/api/v1/namespaces/{namespace}/configmaps/dgdr-output-whole",
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/dgdr-output-whole",
        )
        assert journey.wait(lambda: not any(map(journey.get, derived)))
        assert journey.get(journey.graph_path)["metadata"]["uid"] in journey.graphs
    api.request("DELETE", journey.graph_path)


def test_request_in_mocker_mode_takes_no_gpus_and_answers(api: Client, namespace: str) -> None:
    with Journey(api, namespace, "mocked") as journey:
        journey.apply(backend="vllm", features={"mocker": True})
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        graph = api.request("GET", journey.graph_path)
        assert gpus(graph) == 0
        answer = Endpoint(api, namespace, "mocked-dgd").chat("Qwen/Qwen3-32B", "Why is the sky blue?", 12)
        assert answer["usage"]["completion_tokens"] == 12


def test_request_without_auto_apply_waits_and_the_candidate_that_is_asked_for_is_deployed(
    api: Client, namespace: str
) -> None:
    with Journey(api, namespace, "manual") as journey:
        journey.apply(backend="sglang", autoApply=False)
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        assert journey.condition("Succeeded")["status"] == "True"
        assert journey.get(journey.graph_path) is None
        generated = api.request("GET", journey.path)["metadata"]["annotations"]["nvidia.com/generated-dgd-spec"]
        assert "kind: DynamoGraphDeployment\n" in generated
        first, second, *_ = journey.status()["profilingResults"]["pareto"]
        journey.annotate(deploy=second["id"])
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert journey.status()["profilingResults"]["pareto"][0]["id"] == second["id"] != first["id"]
        # An operator whose deployment degrades, and one that is deleted by hand.
        paths = f"/apis/apps/v1/namespaces/{namespace}/deployments/manual-dgd-frontend"
        broken = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "localhost/none:none"}]}}}}
        api.request("PATCH", paths, broken, "application/strategic-merge-patch+json")
        api.request("DELETE", journey.graph_path)
        assert journey.reaches("Failed") == "Failed"
        assert journey.condition("DeploymentReady")["reason"] == "DeploymentDeleted"
        assert journey.get(journey.graph_path) is None


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"workload": {"isl": 40_000, "osl": 1000}}, "isl \\+ osl is 41000 tokens, but the context of"),
        ({"model": "meta-llama/Meta-Llama-3.1-405B", "backend": "vllm"}, "sufficient number of these GPUs is 7$"),
    ],
)
def test_request_that_only_the_user_can_mend_fails_with_the_profilers_words(
    api: Client, namespace: str, spec: dict[str, Any], message: str
) -> None:
    with Journey(api, namespace, "refused") as journey:
        journey.apply(**spec)
        assert journey.reaches("Failed", "Deployed") == "Failed"
        succeeded = journey.condition("Succeeded")
        assert succeeded["message"].startswith("Profiling failed: ")
        assert re.search(message, succeeded["message"])
        assert len(journey.jobs) == 1
        assert journey.wait(lambda: journey.events()[-1] == "ProfilingJobFailed", 10), journey.events()
        # What was wrong is put right: the request starts again by itself.
        right = {"spec": {"model": "Qwen/Qwen3-32B", "backend": "vllm", "workload": None, "autoApply": False}}
        api.request("PATCH", journey.path, right, MERGE_PATCH)
        assert journey.reaches("Ready") == "Ready"


def _components(api: Client, journey: Journey) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.request("GET", journey.graph_path)["spec"]["components"]
    return found


# A connection that the server is killed under may be left to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_killed_controllers_and_api_servers_change_nothing(installed: Local, api: Client, namespace: str) -> None:
    def kill_controller() -> None:
        kubectl(installed, "-n", "dgdr-system", "delete", "pods", "--all", "--force", "--grace-period=0")

    with Journey(api, namespace, "shaken") as journey:
        journey.apply(backend="vllm")
        for phase in ("Profiling", "Deploying", "Deployed"):
            assert journey.wait(lambda wanted=phase: wanted in journey.phases, 120), journey.phases  # type: ignore[misc]
            kill_controller()
            installed.restart("kube-apiserver")
        # The controller that took over has looked at it: a change that only it can follow.
        kubectl(installed, "-n", "dgdr-system", "rollout", "status", "deployment/dgdr-controller", "--timeout=60s")
        scaled = {"spec": {"components": [c | {"replicas": 2} for c in _components(api, journey) if c["type"] == "frontend"]
                                         + [c for c in _components(api, journey) if c["type"] != "frontend"]}}  # fmt: skip
        before = journey.status()["deploymentInfo"]["replicas"]
        api.request("PATCH", journey.graph_path, scaled, MERGE_PATCH)
        info = "deploymentInfo"
        # The lease of the last leader has to run out first.
        assert journey.wait(lambda: journey.status().get(info, {}).get("availableReplicas") == before + 1, 150)
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert (len(journey.jobs), len(journey.graphs)) == (1, 1)
        assert "Failed" not in journey.phases
    api.request("DELETE", journey.graph_path)
