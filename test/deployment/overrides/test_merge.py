import copy
from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.overrides.dgd import check, deprecations, gpus_of, merge, validate_name
from dgdr_controller.manifest import load_documents

BETA = "apiVersion: nvidia.com/v1beta1\nkind: DynamoGraphDeployment\n"
ALPHA = "apiVersion: nvidia.com/v1alpha1\nkind: DynamoGraphDeployment\n"


def read(text: str) -> Any:
    (document,) = load_documents(text)
    return document


def applied(graph: Any, text: str) -> Any:
    """Return the graph with an override that has nothing to warn about; admission would have let it through."""
    override = read(text)
    before = copy.deepcopy((graph, override))
    assert check(override, "qwen", "team") == []
    merged = merge(graph, override)
    assert (graph, override) == before
    assert merged.warnings == ()
    return merged.graph


def component(graph: Any, name: str) -> Any:
    (found,) = [entry for entry in graph["spec"]["components"] if entry["name"] == name]
    return found


def pod(graph: Any, name: str) -> Any:
    return component(graph, name)["podTemplate"]["spec"]


def main(graph: Any, name: str) -> Any:
    return pod(graph, name)["containers"][0]


def in_main(name: str, fields: str, version: str = BETA) -> str:
    if version == BETA:
        return f"{BETA}spec: {{components: [{{name: {name}, podTemplate: {{spec: {{containers: [{{name: main, {fields}}}]}}}}}}]}}"
    return f"{version}spec: {{services: {{{name}: {{extraPodSpec: {{mainContainer: {{{fields}}}}}}}}}}}"


def in_pod(fields: str) -> str:
    return f"{BETA}spec: {{components: [{{name: worker, podTemplate: {{spec: {{{fields}}}}}}}]}}"


EXAMPLE_7 = """
spec:
  services:
    decode:
      envFromSecret: hf-token-secret
"""


def test_example_7_of_the_design_proposal(disaggregated: Any) -> None:
    graph = applied(disaggregated, EXAMPLE_7)
    assert main(graph, "decode")["envFrom"] == [{"secretRef": {"name": "hf-token-secret"}}]
    expected = copy.deepcopy(disaggregated)
    main(expected, "decode")["envFrom"] = main(graph, "decode")["envFrom"]
    assert graph == expected


def test_example_7_reaches_the_worker_of_an_aggregated_deployment(aggregated: Any) -> None:
    merged = merge(aggregated, read(EXAMPLE_7))
    assert main(merged.graph, "worker")["envFrom"] == [{"secretRef": {"name": "hf-token-secret"}}]
    assert merged.warnings == (
        'spec.overrides.dgd.spec.services.decode: this deployment has no component "decode"; applied to worker',
    )


ROUTER = (
    BETA
    + """
spec:
  components:
  - name: Frontend
    podTemplate:
      spec:
        containers:
        - name: main
          env: [{name: DYN_ROUTER_MODE, value: kv}]
"""
)


def test_sample_of_upstream_switches_the_router_on(aggregated: Any) -> None:
    graph = applied(aggregated, ROUTER)
    assert main(graph, "Frontend")["env"][-1] == {"name": "DYN_ROUTER_MODE", "value": "kv"}
    main(graph, "Frontend")["env"].pop()
    assert graph == aggregated


def test_golden_of_upstream_switches_grove_off(aggregated: Any) -> None:
    graph = applied(aggregated, BETA + "metadata: {annotations: {nvidia.com/enable-grove: 'false'}, labels: {team: a}}")
    assert graph["metadata"]["annotations"]["nvidia.com/enable-grove"] == "false"
    assert graph["metadata"]["labels"]["team"] == "a"
    assert graph["metadata"]["labels"].items() >= aggregated["metadata"]["labels"].items()


@pytest.mark.parametrize("version", [BETA, ALPHA, ""])
def test_override_can_name_the_deployment(aggregated: Any, version: str) -> None:
    graph = applied(aggregated, version + "metadata: {name: mine, namespace: team}")
    assert graph["metadata"] == aggregated["metadata"] | {"name": "mine"}
    assert graph["spec"] == aggregated["spec"]


@pytest.mark.parametrize("version", [BETA, ALPHA])
def test_environment_and_mounts_merge_by_key(aggregated: Any, version: str) -> None:
    fields = (
        "env: [{name: HF_HUB_OFFLINE, value: '0'}, {name: NEW, value: x}], "
        "volumeMounts: [{mountPath: /models, name: model-cache, subPath: s}, {mountPath: /b, name: model-cache}]"
    )
    graph = applied(aggregated, in_main("worker", fields, version))
    assert main(graph, "worker")["env"] == [
        {"name": "HF_HUB_CACHE", "value": "/models"},
        {"name": "HF_HOME", "value": "/tmp/huggingface"},  # noqa: S108 - in a container
        {"name": "HF_HUB_OFFLINE", "value": "0"},
        {"name": "NEW", "value": "x"},
    ]
    assert main(graph, "worker")["volumeMounts"] == [
        {"name": "model-cache", "mountPath": "/models", "readOnly": True, "subPath": "s"},
        {"name": "model-cache", "mountPath": "/b"},
    ]


@pytest.mark.parametrize("version", [BETA, ALPHA])
def test_variable_and_a_volume_have_one_source(aggregated: Any, version: str) -> None:
    fields = "env: [{name: HF_HOME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"
    graph = applied(aggregated, in_main("worker", fields, version))
    variable = {"name": "HF_HOME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert variable in main(graph, "worker")["env"]
    volume = "volumes: [{name: model-cache, hostPath: {path: /nvme}}, {name: other, emptyDir: {}}]"
    text = in_pod(volume)
    if version == ALPHA:
        text = f"{ALPHA}spec: {{services: {{worker: {{extraPodSpec: {{{volume}}}}}}}}}"
    assert pod(applied(aggregated, text), "worker")["volumes"] == [
        {"name": "model-cache", "hostPath": {"path": "/nvme"}},
        {"name": "other", "emptyDir": {}},
    ]


def test_volume_keeps_what_is_not_written_of_its_source(aggregated: Any) -> None:
    volume = "volumes: [{name: model-cache, persistentVolumeClaim: {claimName: new}}]"
    graph = applied(aggregated, in_pod(volume))
    claim = {"claimName": "new", "readOnly": True}
    assert pod(graph, "worker")["volumes"] == [{"name": "model-cache", "persistentVolumeClaim": claim}]


def test_every_kind_of_source_and_handler_replaces_the_others(aggregated: Any) -> None:
    graph = aggregated
    for source in ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fieldRef"):
        graph = applied(graph, in_main("worker", f"env: [{{name: A, valueFrom: {{{source}: {{x: z}}}}}}]"))
        assert main(graph, "worker")["env"][-1] == {"name": "A", "valueFrom": {source: {"x": "z"}}}
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for handler in ("exec", "httpGet", "tcpSocket", "grpc", "exec"):
            graph = applied(graph, in_main("worker", f"{probe}: {{{handler}: {{x: 1}}}}"))
            assert main(graph, "worker")[probe] == {handler: {"x": 1}}


def test_shared_memory_is_switched_off_and_on(aggregated: Any) -> None:
    graph = aggregated
    for written, size in (("size: 16Gi", "16Gi"), ("disabled: true", "0"), ("size: 8Gi", "8Gi")):
        graph = applied(graph, f"spec: {{services: {{worker: {{sharedMemory: {{{written}}}}}}}}}")
        assert component(graph, "worker")["sharedMemorySize"] == size


def test_probe_has_one_handler() -> None:
    probe = {"livenessProbe": {"httpGet": {"port": 1}, "periodSeconds": 5}}
    graph: Any = {
        "metadata": {"name": "g"},
        "spec": {
            "components": [{"name": "worker", "podTemplate": {"spec": {"containers": [{"name": "main", **probe}]}}}]
        },
    }
    merged = applied(
        graph | {"metadata": {"name": "g", "namespace": "team"}},
        in_main("worker", "livenessProbe: {exec: {command: [c]}}"),
    )
    assert main(merged, "worker")["livenessProbe"] == {"exec": {"command": ["c"]}, "periodSeconds": 5}


@pytest.mark.parametrize("field", ["args", "command"])
def test_v1beta1_replaces_arguments(aggregated: Any, field: str) -> None:
    graph = applied(aggregated, in_main("worker", f"{field}: [--only]"))
    assert main(graph, "worker")[field] == ["--only"]


def test_v1beta1_appends_arguments_when_told_to(aggregated: Any) -> None:
    graph = applied(aggregated, in_main("worker", "$patch: {args: append}, args: [--seed, '1']"))
    assert main(graph, "worker") == {
        **main(aggregated, "worker"),
        "args": [*main(aggregated, "worker")["args"], "--seed", "1"],
    }


@pytest.mark.parametrize("version", [ALPHA, ""])
def test_v1alpha1_appends_arguments_of_workers(disaggregated: Any, version: str) -> None:
    for worker in ("prefill", "decode"):
        graph = applied(disaggregated, in_main(worker, "args: [--seed, '1']", version))
        assert main(graph, worker)["args"] == [*main(disaggregated, worker)["args"], "--seed", "1"]
        assert main(graph, worker)["command"] == ["python3", "-m", "dynamo.vllm"]


def test_v1alpha1_replaces_arguments_of_the_frontend(aggregated: Any) -> None:
    main_container = main(aggregated, "Frontend")
    with_args = applied(aggregated, in_main("Frontend", "args: [--a]", ALPHA))
    assert main(applied(with_args, in_main("Frontend", "args: [--b]", ALPHA)), "Frontend") == {
        **main_container,
        "args": ["--b"],
    }


def test_environment_of_the_graph_is_replaced(aggregated: Any) -> None:
    graph = applied(aggregated, BETA + "spec: {env: [{name: A, value: a}]}")
    for text in (BETA + "spec: {env: [{name: B, value: b}]}", ALPHA + "spec: {envs: [{name: B, value: b}]}"):
        assert applied(graph, text)["spec"]["env"] == [{"name": "B", "value": "b"}]


POD_LISTS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
CONTAINER_LISTS = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath", "volumeDevices": "devicePath"}


@pytest.mark.parametrize("field", POD_LISTS)
def test_lists_of_pods_merge_by_their_key(aggregated: Any, field: str) -> None:
    first, second = f"{{{POD_LISTS[field]}: a, x: 1}}", f"{{{POD_LISTS[field]}: b}}"
    once = applied(aggregated, in_pod(f"{field}: [{first}, {second}]"))
    twice = applied(once, in_pod(f"{field}: [{second[:-1]}, z: 2}}]"))
    key = POD_LISTS[field]
    assert pod(twice, "worker")[field][-2:] == [{key: "a", "x": 1}, {key: "b", "z": 2}]
    assert len(pod(twice, "worker")[field]) == len(pod(once, "worker")[field])


@pytest.mark.parametrize("field", CONTAINER_LISTS)
def test_lists_of_containers_merge_by_their_key(aggregated: Any, field: str) -> None:
    key = CONTAINER_LISTS[field]
    value = 80 if field == "ports" else "a"
    once = applied(aggregated, in_main("worker", f"{field}: [{{{key}: {value}, x: 1}}]"))
    twice = applied(once, in_main("worker", f"{field}: [{{{key}: {value}, z: 2}}]"))
    assert main(twice, "worker")[field][-1] == {key: value, "x": 1, "z": 2}
    assert len(main(twice, "worker")[field]) == len(main(once, "worker")[field])


def test_claims_of_a_container_merge_by_name(aggregated: Any) -> None:
    once = applied(aggregated, in_main("worker", "resources: {claims: [{name: a, request: r}, {name: b}]}"))
    twice = applied(once, in_main("worker", "resources: {claims: [{name: b, request: s}]}"))
    assert main(twice, "worker")["resources"]["claims"] == [
        {"name": "a", "request": "r"},
        {"name": "b", "request": "s"},
    ]


def test_lists_without_a_key_are_replaced(aggregated: Any) -> None:
    tolerations = "{spec: {tolerations: [{key: %s}]}}"
    once = applied(aggregated, f"{BETA}spec: {{components: [{{name: worker, podTemplate: {tolerations % 'a'}}}]}}")
    twice = applied(once, f"{BETA}spec: {{components: [{{name: worker, podTemplate: {tolerations % 'b'}}}]}}")
    assert pod(twice, "worker")["tolerations"] == [{"key": "b"}]


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        (BETA + "spec: {components: [{name: worker, replicas: 5}]}", 10),
        (ALPHA + "spec: {services: {worker: {replicas: 5}}}", 10),
        (ALPHA + "spec: {services: {worker: {resources: {limits: {gpu: '8'}}, multinode: {nodeCount: 3}}}}", 48),
        (ALPHA + "spec: {services: {worker: {resources: {limits: {gpuType: amd.com/gpu}}}}}", 4),
        (in_main("worker", "resources: {limits: {nvidia.com/gpu: 4}}"), 8),
        (in_main("worker", "resources: {limits: {nvidia.com/gpu: 0, amd.com/gpu: '3'}}"), 6),
        (BETA + "spec: {components: [{name: worker, multinode: {}}]}", 8),
        (in_main("Frontend", "resources: {requests: {nvidia.com/gpu: '1'}, limits: {nvidia.com/gpu: '1'}}"), 5),
        (in_main("Frontend", "resources: {requests: {gpu.intel.com/xe: '1'}}"), 5),
        (
            BETA + "spec: {components: [{name: worker, podTemplate: {spec: {"
            "containers: [{name: side, resources: {limits: {nvidia.com/gpu: 1}}}], "
            "initContainers: [{name: init, resources: {limits: {nvidia.com/gpu: 5}}}]}}}]}",
            10,
        ),
    ],
)
def test_gpus_are_counted_again(aggregated: Any, text: str, gpus: int) -> None:
    assert gpus_of(aggregated) == 4
    assert gpus_of(applied(aggregated, text)) == gpus


@pytest.mark.parametrize("value", ["two", -1, 1.5, True, None, "1.0", "9" * 10])
def test_gpus_that_are_no_number_cannot_be_counted(aggregated: Any, value: Any) -> None:
    graph = copy.deepcopy(aggregated)
    component(graph, "worker")["replicas"] = value
    with pytest.raises(ValueError, match=r"spec\.components\[worker\]\.replicas: Invalid value"):
        gpus_of(graph)


@pytest.mark.parametrize(
    ("mode", "backend", "name", "means"),
    [
        (Mode.AGGREGATED, Backend.VLLM, "VllmWorker", "worker"),
        (Mode.AGGREGATED, Backend.VLLM, "VllmDecodeWorker", "worker"),
        (Mode.DISAGGREGATED, Backend.VLLM, "VllmDecodeWorker", "decode"),
        (Mode.DISAGGREGATED, Backend.VLLM, "VllmPrefillWorker", "prefill"),
        (Mode.AGGREGATED, Backend.SGLANG, "SGLangWorker", "worker"),
        (Mode.AGGREGATED, Backend.SGLANG, "SGLangDecodeWorker", "worker"),
        (Mode.DISAGGREGATED, Backend.SGLANG, "SGLangDecodeWorker", "decode"),
        (Mode.DISAGGREGATED, Backend.SGLANG, "SGLangPrefillWorker", "prefill"),
        (Mode.DISAGGREGATED, Backend.SGLANG, "SglangPrefillWorker", "prefill"),
        (Mode.DISAGGREGATED, Backend.SGLANG, "SglangDecodeWorker", "decode"),
        (Mode.AGGREGATED, Backend.TRTLLM, "TRTLLMWorker", "worker"),
        (Mode.DISAGGREGATED, Backend.TRTLLM, "TRTLLMPrefillWorker", "prefill"),
        (Mode.DISAGGREGATED, Backend.TRTLLM, "TRTLLMDecodeWorker", "decode"),
    ],
)
def test_older_names_still_reach_their_component(
    rendered: Callable[..., Any], mode: Mode, backend: Backend, name: str, means: str
) -> None:
    graph = rendered(mode, backend)
    for text, path in (
        (f"{BETA}spec: {{components: [{{name: {name}, replicas: 7}}]}}", f"components[{name}]"),
        (f"{ALPHA}spec: {{services: {{{name}: {{replicas: 7}}}}}}", f"services.{name}"),
    ):
        override = read(text)
        assert check(override, "qwen") == []
        merged = merge(graph, override)
        assert component(merged.graph, means)["replicas"] == 7
        sentence = f'spec.overrides.dgd.spec.{path}: override target "{name}" is deprecated; use {means}'
        assert merged.warnings == (sentence,)
        (told,) = deprecations(override)
        hint = "worker (aggregated) or decode (disaggregated)" if "Decode" in name else means
        assert told == sentence.removesuffix(means) + hint


def test_names_of_today_are_not_deprecated() -> None:
    assert deprecations(read(BETA + "spec: {components: [{name: worker}, {name: 5}, 5]}")) == []
    assert deprecations(read("spec: {services: {decode: {}}}")) == []
    assert deprecations({"spec": 5}) == []


@pytest.mark.parametrize("role", ["worker", "prefill", "decode"])
def test_component_of_a_base_is_reached_by_its_role(role: str) -> None:
    graph: Any = {
        "metadata": {"name": "g"},
        "spec": {"components": [{"name": "Front", "type": "frontend"}, {"name": "Mine", "type": role}]},
    }
    merged = merge(graph, read(f"{BETA}spec: {{components: [{{name: {role}, replicas: 3}}]}}"))
    assert component(merged.graph, "Mine") == {"name": "Mine", "type": role, "replicas": 3}
    assert merged.warnings == (
        f'spec.overrides.dgd.spec.components[{role}]: this deployment has no component "{role}"; applied to Mine',
    )


def test_fields_without_effect_are_told(aggregated: Any) -> None:
    merged = merge(aggregated, read("spec: {services: {worker: {dynamoNamespace: x}}}"))
    assert merged.graph == aggregated
    (warning,) = merged.warnings
    assert warning.startswith("spec.overrides.dgd.spec.services.worker.dynamoNamespace: has no effect")


def test_v1alpha1_mounts_a_claim(aggregated: Any) -> None:
    mounted = "spec: {pvcs: [{name: data}], services: {worker: {volumeMounts: [%s]}}}"
    mounted %= "{name: data, mountPoint: /data}, {name: data, mountPoint: /more}"
    graph = applied(aggregated, mounted)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    assert pod(graph, "worker")["volumes"] == [*pod(aggregated, "worker")["volumes"], volume]
    mounts = main(graph, "worker")["volumeMounts"]
    assert sorted(mounts, key=lambda mount: str(mount["name"])) == [
        {"name": "data", "mountPath": "/data"},
        {"name": "data", "mountPath": "/more"},
        *main(aggregated, "worker")["volumeMounts"],
    ]


def test_result_shares_nothing_with_what_it_was_made_of(aggregated: Any) -> None:
    graph, override = copy.deepcopy(aggregated), read(in_main("worker", "env: [{name: A, valueFrom: {b: {c: d}}}]"))
    merged = merge(graph, override).graph
    kept = copy.deepcopy(merged)
    pod(graph, "Frontend").clear()
    main(graph, "worker").clear()
    main(override, "worker")["env"][0]["valueFrom"]["b"].clear()
    assert merged == kept


def test_containers_can_be_added(aggregated: Any) -> None:
    sidecar = "{spec: {containers: [{name: log, image: l}], initContainers: [{name: prepare, image: p}]}}"
    graph = applied(aggregated, f"{BETA}spec: {{components: [{{name: worker, podTemplate: {sidecar}}}]}}")
    assert [container["name"] for container in pod(graph, "worker")["containers"]] == ["main", "log"]
    assert pod(graph, "worker")["initContainers"] == [{"name": "prepare", "image": "p"}]


def test_fields_that_nobody_knows_pass(aggregated: Any) -> None:
    text = (
        BETA
        + "spec: {future: {a: [1, {b: c}]}, components: [{name: worker, brandNew: 5, eppConfig: {config: {a: null}}}]}"
    )
    graph = applied(aggregated, text)
    assert graph["spec"]["future"] == {"a": [1, {"b": "c"}]}
    assert component(graph, "worker")["brandNew"] == 5
    assert component(graph, "worker")["eppConfig"] == {"config": {"a": None}}
    again = applied(graph, BETA + "spec: {components: [{name: worker, eppConfig: {config: {b: [1]}}}]}")
    assert component(again, "worker")["eppConfig"] == {"config": {"a": None, "b": [1]}}


def test_pods_get_labels_and_annotations(aggregated: Any) -> None:
    expected = {"labels": {"nvidia.com/dgdr-name": "qwen", "a": "b"}, "annotations": {"c": "d"}}
    for text in (
        BETA + "spec: {components: [{name: worker, podTemplate: {metadata: {labels: {a: b}, annotations: {c: d}}}}]}",
        ALPHA + "spec: {services: {worker: {extraPodMetadata: {labels: {a: b}, annotations: {c: d}}}}}",
    ):
        assert component(applied(aggregated, text), "worker")["podTemplate"]["metadata"] == expected


def test_longest_component_says_how_long_a_name_may_be(aggregated: Any) -> None:
    room = 45 - len("Frontend")
    graph = applied(aggregated, f"metadata: {{name: {'a' * room}}}")
    assert validate_name(graph, "p") == []
    component(graph, "worker")["name"] = "VllmDecodeWorker"
    (error,) = validate_name(graph, "p")
    assert (error.path, error.detail) == (
        "p",
        'must have at most 29 characters beside the component "VllmDecodeWorker"',
    )
