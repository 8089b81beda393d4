import copy
from typing import Any

import pytest

from dgdr_controller.deployment.base.base_deployment import BaseDeploymentError, on_base, read_base
from dgdr_controller.deployment.overrides.dgd import gpus_of
from dgdr_controller.manifest import dump_documents

BASE = """
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: vllm-disagg
  creationTimestamp: null
  labels: {team: a, dgdr.nvidia.com/name: other}
  annotations:
    nvidia.com/enable-grove: "false"
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    dgdr.nvidia.com/uid: other
spec:
  pvcs: [{name: dynamo-pvc, create: false}]
  envs: [{name: SHARED, value: "1"}]
  services:
    Frontend:
      dynamoNamespace: vllm-disagg
      componentType: frontend
      replicas: 4
      extraPodSpec: {mainContainer: {image: theirs}}
    VllmPrefillWorker:
      dynamoNamespace: vllm-disagg
      envFromSecret: hf-token-secret
      componentType: worker
      subComponentType: prefill
      replicas: 9
      resources: {limits: {gpu: "8", cpu: "16"}, requests: {gpu: "8", cpu: "8"}}
      volumeMounts: [{name: dynamo-pvc, mountPoint: /data}]
      extraPodSpec:
        tolerations: null
        mainContainer:
          image: theirs
          workingDir: /workspace
          env: [{name: NCCL_DEBUG, value: INFO}]
          command: [python3]
          args: [-m, dynamo.vllm, --model=Qwen/Qwen3-0.6B, -tp, "8", --is-prefill-worker, --enforce-eager, --seed, "-1"]
    VllmDecodeWorker:
      componentType: worker
      subComponentType: decode
      multinode: {nodeCount: 2}
      extraPodMetadata: {labels: {own: label, nvidia.com/managed-by: me, nvidia.com/dgdr-name: other}}
      extraPodSpec:
        mainContainer: {command: [python3, -m, dynamo.vllm], args: [--data_parallel_size, "2", -ep]}
    Extra:
      componentType: default
      replicas: 2
      resources: {limits: {gpu: "1"}}
      extraPodSpec: {mainContainer: {image: extra, args: [--keep]}}
"""


def of(graph: Any, name: str, *path: str | int) -> Any:
    """Return a component, or the part of it that is found this way."""
    part = next(component for component in graph["spec"]["components"] if component["name"] == name)
    for step in path:
        part = part[step]
    return part


def pod(graph: Any, name: str) -> Any:
    return of(graph, name, "podTemplate", "spec")


def main(graph: Any, name: str) -> Any:
    return of(graph, name, "podTemplate", "spec", "containers", 0)


def spoil(value: Any) -> None:
    """Empty every object and list within a value."""
    if isinstance(value, (dict, list)):
        for child in value.values() if isinstance(value, dict) else value:
            spoil(child)
        value.clear()


@pytest.fixture
def deployed(plan: Any) -> Any:
    """The base with the plan in it."""
    base, graph = read_base(BASE), copy.deepcopy(plan)
    before = copy.deepcopy((base, graph))
    result = on_base(base, graph)
    assert (base, graph) == before
    kept = copy.deepcopy(result)
    spoil([base, graph])
    assert result == kept, "shares parts with what it was made of"
    return result


def test_replicas_nodes_and_gpus_are_the_plans(deployed: Any) -> None:
    assert [(component["name"], component["replicas"]) for component in deployed["spec"]["components"]] == [
        ("Frontend", 1),
        ("VllmPrefillWorker", 2),
        ("VllmDecodeWorker", 3),
        ("Extra", 2),
    ]
    assert "multinode" not in of(deployed, "VllmDecodeWorker")
    resources = main(deployed, "VllmPrefillWorker")["resources"]
    assert resources == {"limits": {"cpu": "16", "nvidia.com/gpu": "2"}, "requests": {"cpu": "8"}}
    assert gpus_of(deployed) == 2 * 2 + 3 * 4 + 2 * 1


def test_parallelism_role_and_model_are_the_plans_and_other_arguments_stay(deployed: Any, plan: Any) -> None:
    prefill, decode = main(deployed, "VllmPrefillWorker"), main(deployed, "VllmDecodeWorker")
    assert prefill["command"] == decode["command"] == ["python3", "-m", "dynamo.vllm"]
    assert prefill["args"] == [*main(plan, "prefill")["args"], "--enforce-eager", "--seed", "-1"]
    assert decode["args"] == main(plan, "decode")["args"]


def test_base_stays_as_it_is_elsewhere(deployed: Any) -> None:
    prefill = main(deployed, "VllmPrefillWorker")
    assert (prefill["image"], prefill["workingDir"]) == ("theirs", "/workspace")
    assert prefill["env"] == [{"name": "NCCL_DEBUG", "value": "INFO"}]
    assert prefill["envFrom"] == [{"secretRef": {"name": "hf-token-secret"}}]
    assert prefill["volumeMounts"] == [{"name": "dynamo-pvc", "mountPath": "/data"}]
    claim = {"name": "dynamo-pvc", "persistentVolumeClaim": {"claimName": "dynamo-pvc"}}
    assert pod(deployed, "VllmPrefillWorker")["volumes"] == [claim]
    assert deployed["spec"]["env"] == [{"name": "SHARED", "value": "1"}]
    assert main(deployed, "Extra") == {
        "name": "main",
        "image": "extra",
        "args": ["--keep"],
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }


def test_fields_that_the_base_leaves_open_are_the_plans(deployed: Any, plan: Any) -> None:
    assert main(deployed, "Frontend") == {**main(plan, "Frontend"), "image": "theirs"}
    assert main(deployed, "VllmDecodeWorker")["image"] == "ours"
    assert main(deployed, "VllmDecodeWorker")["envFrom"] == main(plan, "decode")["envFrom"]
    assert deployed["spec"]["backendFramework"] == "vllm"


def test_name_and_proofs_of_ownership_are_ours(deployed: Any, plan: Any) -> None:
    metadata = plan["metadata"]
    assert deployed["metadata"] == {
        **metadata,
        "labels": {"team": "a", **metadata["labels"]},
        "annotations": {"nvidia.com/enable-grove": "false", **metadata["annotations"]},
    }
    labels = of(deployed, "VllmDecodeWorker")["podTemplate"]["metadata"]["labels"]
    assert labels == {"nvidia.com/dgdr-name": "qwen", "own": "label"}


def test_base_that_is_the_plan_changes_nothing(plan: Any) -> None:
    plan["spec"]["labels"] = {"a": "b"}
    assert on_base(plan, plan) == plan


def test_model_cache_of_the_plan_is_mounted_beside_the_volumes_of_the_base(plan: Any) -> None:
    volume = {"name": "model-cache", "persistentVolumeClaim": {"claimName": "claim", "readOnly": True}}
    mount = {"name": "model-cache", "mountPath": "/models", "readOnly": True}
    pod(plan, "decode")["volumes"] = [volume]
    main(plan, "decode")["volumeMounts"] = [mount]
    main(plan, "decode")["env"] = [{"name": "HF_HUB_CACHE", "value": "/models"}]
    base = copy.deepcopy(plan)
    pod(base, "decode")["volumes"] = [{"name": "own", "emptyDir": {}}]
    main(base, "decode")["volumeMounts"] = [
        {"name": "own", "mountPath": "/models", "subPath": "s"},
        {"name": "own", "mountPath": "/own"},
    ]
    main(base, "decode")["env"] = [{"name": "HF_HUB_CACHE", "value": "/own"}, {"name": "OWN", "value": "1"}]
    result = on_base(base, plan)
    assert pod(result, "decode")["volumes"] == [volume, {"name": "own", "emptyDir": {}}]
    assert [mounted["name"] for mounted in main(result, "decode")["volumeMounts"]] == ["model-cache", "own"]
    assert main(result, "decode")["env"] == [
        {"name": "HF_HUB_CACHE", "value": "/models"},
        {"name": "OWN", "value": "1"},
    ]


def test_secrets_of_the_base_and_of_the_plan_are_both_read(plan: Any) -> None:
    base = copy.deepcopy(plan)
    main(base, "decode")["envFrom"] = own = [
        {"secretRef": {"name": "own"}},
        {"configMapRef": {"name": "hf-token-secret"}},
    ]
    assert main(on_base(base, plan), "decode")["envFrom"] == [*own, *main(plan, "decode")["envFrom"]]


def test_planner_is_added_or_goes_into_the_one_of_the_base(plan: Any, planner: Any) -> None:
    base = copy.deepcopy(plan)
    plan["spec"]["components"].append(planner)
    assert of(on_base(base, plan), "Planner") == planner
    base["spec"]["components"].append(copy.deepcopy(planner) | {"name": "Own", "replicas": 0})
    main(base, "Own")["args"] = ["--verbose", "--config", "theirs.json"]
    result: Any = on_base(base, plan)
    assert main(result, "Own")["args"] == ["--config", "/etc/planner_config.json", "--verbose"]
    assert of(result, "Own")["replicas"] == 1
    assert not [component for component in result["spec"]["components"] if component["name"] == "Planner"]


def test_shell_may_start_what_the_plan_says_nothing_about(plan: Any) -> None:
    base = copy.deepcopy(plan)
    main(base, "Frontend").update(command=["/bin/sh", "-c"], args=["prepare && python3 -m dynamo.frontend"])
    assert main(on_base(base, plan), "Frontend")["args"] == ["prepare && python3 -m dynamo.frontend"]


def test_engines_over_nodes_are_the_plans(plan: Any) -> None:
    base = copy.deepcopy(plan)
    of(plan, "decode")["multinode"] = {"nodeCount": 2}
    of(base, "decode")["multinode"] = {"nodeCount": 4}
    assert of(on_base(base, plan), "decode")["multinode"] == {"nodeCount": 2}


def broken(plan: Any, change: str) -> Any:
    """Return a base that is the plan but for one mistake."""
    base = copy.deepcopy(plan)
    components = base["spec"]["components"]
    changes: dict[str, Any] = {
        "no prefill": lambda: components.pop(1),
        "no component": components.clear,
        "no list": lambda: base["spec"].update(components=5),
        "two decode": lambda: components.append(copy.deepcopy(components[2]) | {"name": "other"}),
        "another kind": lambda: base.update(kind="Deployment"),
        "another version": lambda: base.update(apiVersion="nvidia.com/v2"),
        "another backend": lambda: base["spec"].update(backendFramework="sglang"),
        "another engine": lambda: main(base, "decode").update(command=["python3", "-m", "dynamo.sglang"]),
        "a shell": lambda: main(base, "decode").update(command=["/bin/sh", "-c"], args=["python3 -m dynamo.vllm"]),
        "arguments": lambda: main(base, "decode").update(args=["--seed", 1]),
        "replicas": lambda: components.append({"name": "extra", "replicas": "many"}),
        "spec": lambda: base.update(spec=[]),
        "labels": lambda: base["spec"].update(annotations=5),
        "no metadata": lambda: base.update(metadata=5),
        "gpus": lambda: components.append(
            {
                "name": "extra",
                "podTemplate": {"spec": {"containers": [{"name": "c", "resources": {"limits": {"amd.com/gpu": "x"}}}]}},
            }
        ),
        "metadata": lambda: base.update(metadata={"labels": []}),
        "template": lambda: of(base, "decode").update(podTemplate=5),
        "pod": lambda: of(base, "decode", "podTemplate").update(spec=5),
        "containers": lambda: pod(base, "decode").update(containers=5),
        "resources": lambda: main(base, "decode").update(resources={"limits": 5}),
        "sources": lambda: main(base, "decode").update(envFrom=[5]),
        "volume": lambda: pod(base, "decode").update(volumes=[{"name": "model-cache", "emptyDir": {}}]),
        "v1alpha1": lambda: base.update(
            apiVersion="nvidia.com/v1alpha1", spec={"services": {"w": {"ingress": {"enabled": True}}}}
        ),
        "no number": lambda: base["spec"].update(backendFramework=float("nan")),
    }
    changes[change]()
    return base


IN_MAIN = "spec.components[decode].podTemplate.spec.containers[main]"
REASONS = {
    "no prefill": ("spec.components", "the plan needs a component of type prefill; the base deployment has Frontend (frontend), decode (decode)"),
    "two decode": ("spec.components", "several components have type decode, but the plan has one: Frontend (frontend), prefill (prefill), decode (decode), other (decode)"),
    "another kind": ("kind", "must be DynamoGraphDeployment"),
    "another version": ("apiVersion", "must be nvidia.com/v1beta1 or nvidia.com/v1alpha1"),
    "another backend": ("spec.backendFramework", "the plan is for vllm: set spec.backend of the request to the engine of the base"),
    "another engine": (f"{IN_MAIN}.command", "the plan is for dynamo.vllm: set spec.backend to the engine of the base"),
    "a shell": (f"{IN_MAIN}.command", "runs a shell script, which cannot be changed: set command and args as lists of arguments"),
    "arguments": (f"{IN_MAIN}.args[1]", "must be a string (quote numbers and true, false, yes, no)"),
    "replicas": ("spec.components[extra].replicas", "must be a whole number, 0 or more"),
    "template": ("spec.components[decode].podTemplate", "must be an object"),
    "pod": ("spec.components[decode].podTemplate.spec", "must be an object"),
    "containers": ("spec.components[decode].podTemplate.spec.containers", "must be a list"),
    "resources": (f"{IN_MAIN}.resources.limits", "must be an object"),
    "sources": (f"{IN_MAIN}.envFrom[0]", "must be an object"),
    "volume": ("spec.components[decode].podTemplate.spec.volumes[model-cache]", "conflicts with the plan's volume of this name: rename it"),
    "v1alpha1": ("spec.services.w.ingress", "v1beta1 has no ingress: create an Ingress or HTTPRoute yourself"),
    "labels": ("spec.annotations", "must be an object"),
    "no metadata": ("metadata", "must be an object"),
    "gpus": ("spec.components[extra].podTemplate.spec.containers[c].resources.limits[amd.com/gpu]", "must be a whole number, 0 or more"),
    "metadata": ("metadata.labels", "must be an object"),
    "no number": ("spec.backendFramework", "must be a finite number"),
}  # fmt: skip


@pytest.mark.parametrize("change", REASONS)
def test_unusable_base_is_refused_with_the_reason(plan: Any, change: str) -> None:
    pod(plan, "decode")["volumes"] = [{"name": "model-cache", "persistentVolumeClaim": {"claimName": "claim"}}]
    with pytest.raises(BaseDeploymentError) as refused:
        on_base(broken(plan, change), plan)
    (error,) = refused.value.errors
    assert (error.path, error.detail) == REASONS[change]


@pytest.mark.parametrize("change", ["no component", "no list", "spec"])
def test_missing_parts_are_told_all_at_once(plan: Any, change: str) -> None:
    with pytest.raises(BaseDeploymentError) as refused:
        on_base(broken(plan, change), plan)
    assert {error.path for error in refused.value.errors} <= {"spec", "spec.components"}
    missing = [error.detail for error in refused.value.errors if error.kind == "Required value"]
    assert missing == [
        f"the plan needs a component of type {kind}; the base deployment has none"
        for kind in ("frontend", "prefill", "decode")
    ]


NO_MANIFESTS = {
    "a: [": "line 1, column 5",
    **dict.fromkeys(("- a", "", "a: 1\n---\nb: 2"), "must contain exactly one DynamoGraphDeployment"),
}


@pytest.mark.parametrize("text", NO_MANIFESTS)
def test_text_that_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(BaseDeploymentError) as refused:
        read_base(text)
    assert NO_MANIFESTS[text] in str(refused.value)


def test_base_is_read_as_kubectl_reads_it(plan: Any) -> None:
    assert read_base(dump_documents([plan])) == plan
