from typing import Any

import pytest

from hack.cluster.node import PAUSE_IMAGE
from hack.dynamo import manifests
from hack.dynamo.operator import status_of
from hack.dynamo.timing import Timing

MOUNT = {"name": "model-cache", "mountPath": "/opt/model-cache"}


def component(name: str = "worker", kind: str = "worker", **container: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "x"} | container
    return {"name": name, "type": kind, "replicas": 2, "podTemplate": {"spec": {"containers": [main]}}}


def engine(model: str = "org/m", *mounts: dict[str, str], tp: int = 2) -> dict[str, Any]:
    args = ["-m", "dynamo.vllm", "--model", model, "--served-model-name", "m", "--tensor-parallel-size", str(tp)]
    return component(command=["python3"], args=args, volumeMounts=list(mounts))


def graph(*components: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": "g", "namespace": "n", "uid": "u", "generation": 3}
    return {"metadata": metadata, "spec": {"components": list(components)} | spec}


def container(whole: dict[str, Any], number: int = 0) -> dict[str, Any]:
    made = manifests.deployment(whole, whole["spec"]["components"][number])
    (found,) = made["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize(
    ("model", "mounts", "loaded"),
    [
        ("Qwen/Qwen3-32B", [], "/opt/simulation"),
        ("Qwen/Qwen3-32B", [MOUNT], "/opt/simulation"),
        ("/opt/model-cache/mine", [MOUNT], "/opt/model-cache/mine"),
        ("/opt/model-cache-2/mine", [MOUNT], "/opt/simulation"),
    ],
)
def test_model_that_is_in_no_volume_is_stood_in_for(model: str, mounts: list[dict[str, str]], loaded: str) -> None:
    args = container(graph(engine(model, *mounts)))["args"]
    assert args[args.index("--model-path") + 1] == loaded
    assert args[args.index("--model-name") + 1] == "m"


def test_frontend_is_ready_once_it_lists_the_model_of_its_workers() -> None:
    front = component("Frontend", "frontend")
    assert container(graph(front, engine()))["readinessProbe"]["httpGet"]["path"] == "/v1/models/m"
    assert container(graph(front, component()))["readinessProbe"]["httpGet"]["path"] == "/health"


def test_component_that_is_not_understood_holds_its_gpus_and_does_nothing() -> None:
    limits = {"nvidia.com/gpu": "4"}
    made = container(
        graph(component("Planner", "planner", args=["-m", "dynamo.planner"], resources={"limits": limits}))
    )
    assert made == {"name": "main", "imagePullPolicy": "Never", "image": PAUSE_IMAGE, "resources": {"limits": limits}}


def test_variables_of_this_cluster_win_over_the_graphs() -> None:
    given = [{"name": name, "value": "given"} for name in ("A", "B", "HF_HUB_OFFLINE")]
    wide = [{"name": name, "value": "wide"} for name in ("A", "C")]
    whole = graph(component("Frontend", "frontend", env=given), env=wide)
    variables = {variable["name"]: variable.get("value") for variable in container(whole)["env"]}
    assert {name: variables[name] for name in ("A", "B", "C")} == {"A": "given", "B": "given", "C": "wide"}
    assert (variables["HF_HUB_OFFLINE"], variables["DYN_NAMESPACE"]) == ("1", "n-g")


def test_engines_take_the_times_that_their_namespace_says() -> None:
    whole = graph(engine(), engine(tp=4) | {"name": "other"}, component("Frontend", "frontend"))
    times = Timing(prefill_ms=1, prefill_ms_per_token=1, decode_ms=1, decode_ms_per_token=1)
    usual, wanted = (manifests.simulation(whole, timings)["binaryData"] for timings in ({}, {4: times}))
    assert set(usual) == set(wanted) == {"worker.npz", "other.npz"}
    assert usual["worker.npz"] == wanted["worker.npz"]
    assert usual["other.npz"] != wanted["other.npz"]


def deployed(available: int, *, replicas: int = 2, updated: int = 2, observed: int = 5) -> dict[str, object]:
    counts = {"replicas": replicas, "updatedReplicas": updated, "availableReplicas": available}
    return {"metadata": {"generation": 5}, "status": counts | {"observedGeneration": observed}}


@pytest.mark.parametrize(
    ("deployment", "available"),
    [
        pytest.param(deployed(2), 2, id="all"),
        pytest.param(deployed(1), 1, id="one"),
        pytest.param(deployed(2, replicas=3, updated=1), 0, id="maybe two of its former template"),
        pytest.param(deployed(3, replicas=3), 2, id="one too many, which is to go"),
        pytest.param(deployed(2, observed=4), 0, id="before its template changed"),
        pytest.param({"metadata": {"generation": 1}}, 0, id="nobody has looked at it"),
        pytest.param(None, 0, id="not made"),
    ],
)
def test_graph_is_successful_once_every_replica_is_available(
    deployment: dict[str, object] | None, available: int
) -> None:
    status = status_of(graph(engine()), {"worker": deployment})
    assert status["components"]["worker"]["availableReplicas"] == available
    assert (status["state"], status["observedGeneration"]) == ("successful" if available == 2 else "pending", 3)
