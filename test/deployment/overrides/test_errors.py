import copy
from typing import Any

import pytest

from dgdr_controller.deployment.overrides.dgd import OverrideError, check, merge
from dgdr_controller.manifest import load_documents

BETA = "apiVersion: nvidia.com/v1beta1\nkind: DynamoGraphDeployment\n"
ALPHA = "apiVersion: nvidia.com/v1alpha1\nkind: DynamoGraphDeployment\n"


def read(text: str) -> Any:
    (document,) = load_documents(text)
    return document


def refused(graph: Any, override: Any) -> list[str]:
    before = copy.deepcopy((graph, override))
    with pytest.raises(OverrideError) as error:
        merge(graph, override)
    assert (graph, override) == before
    return [str(field_error).removeprefix("spec.overrides.dgd.") for field_error in error.value.errors]


def component(fields: str, name: str = "worker") -> str:
    return f"{BETA}spec: {{components: [{{name: {name}, {fields}}}]}}"


def container(fields: str, name: str = "main") -> str:
    return component(f"podTemplate: {{spec: {{containers: [{{name: {name}, {fields}}}]}}}}")


def service(fields: str, name: str = "worker") -> str:
    return f"{ALPHA}spec: {{services: {{{name}: {{{fields}}}}}}}"


MAIN = "spec.components[worker].podTemplate.spec.containers[main]"
SERVICE = "spec.services.worker"
NULL = "Forbidden: must not be null: fields cannot be deleted, only set"
OBJECT, LIST, SINGLE = "must be an object", "must be a list", "must be a single value"
STRING = "must be a string (quote numbers and true, false, yes, no)"
WHOLE, GPUS = "must be a whole number", "must be a whole number of GPUs"
TWICE = "is set twice"
ONLY = "Forbidden: the only modifier is $patch: {args: append}, on a container of a v1beta1 component"
APPEND = "Forbidden: the only modifier is {args: append}"
OURS = "Forbidden: is managed by the controller and the operator"
META = "Forbidden: only name, labels and annotations of the deployment can be set"
TOGETHER = "Required value: apiVersion and kind must be"
VERSIONS = "nvidia.com/v1beta1 or nvidia.com/v1alpha1"

MISTAKES = {
    # the object itself
    "kind: DynamoGraphDeployment": f"apiVersion: {TOGETHER} {VERSIONS}",
    "apiVersion: nvidia.com/v1beta1": f"kind: {TOGETHER} DynamoGraphDeployment",
    "{apiVersion: nvidia.com/v2, kind: DynamoGraphDeployment}": f'apiVersion: Invalid value: "nvidia.com/v2": must be {VERSIONS}',
    "{apiVersion: apps/v1, kind: DynamoGraphDeployment}": f'apiVersion: Invalid value: "apps/v1": must be {VERSIONS}',
    "{apiVersion: [], kind: DynamoGraphDeployment}": f"apiVersion: Invalid value: []: must be {VERSIONS}",
    "{apiVersion: nvidia.com/v1beta1, kind: ConfigMap}": 'kind: Invalid value: "ConfigMap": must be DynamoGraphDeployment',
    BETA + "status: {state: successful}": "status: Forbidden: the operator writes it",
    BETA + "metdata: {}": 'metdata: Unknown field: did you mean "metadata"?',
    "services: {worker: {}}": "services: Unknown field: put changes into metadata and spec",
    BETA + "spec: null": f"spec: {NULL}",
    BETA + "metadata: null": f"metadata: {NULL}",
    "{apiVersion: nvidia.com/v1beta1, kind: null}": f"kind: {NULL}",
    BETA + "spec: []": "spec: Invalid value: []: must be an object",
    # metadata
    BETA + "metadata: []": f"metadata: Invalid value: []: {OBJECT}",
    BETA + "metadata: {namespace: other}": "metadata.namespace: Forbidden: the deployment is created in the namespace of the request",
    BETA + "metadata: {finalizers: [a]}": f"metadata.finalizers: {META}",
    BETA + "metadata: {ownerReferences: [a]}": f"metadata.ownerReferences: {META}",
    BETA + "metadata: {name: null}": f"metadata.name: {NULL}",
    BETA + "metadata: {name: 5}": f"metadata.name: Invalid value: 5: {STRING}",
    BETA + "metadata: {name: Mine}": "metadata.name: Invalid value: \"Mine\": must start with a lower-case letter and hold only lower-case letters, digits and '-'",
    BETA + f"metadata: {{name: {'a' * 38}}}": f'metadata.name: Invalid value: "{"a" * 38}": must have at most 37 characters beside the component "Frontend"',
    BETA + "metadata: {labels: []}": f"metadata.labels: Invalid value: []: {OBJECT}",
    BETA + "metadata: {labels: {a: 1}}": f"metadata.labels[a]: Invalid value: 1: {STRING}",
    BETA + "metadata: {labels: {a: null}}": f"metadata.labels[a]: {NULL}",
    BETA + "metadata: {labels: {dgdr.nvidia.com/name: x}}": f"metadata.labels[dgdr.nvidia.com/name]: {OURS}",
    BETA + "metadata: {labels: {nvidia.com/managed-by: x}}": f"metadata.labels[nvidia.com/managed-by]: {OURS}",
    BETA + "metadata: {annotations: {dgdr.nvidia.com/uid: x}}": f"metadata.annotations[dgdr.nvidia.com/uid]: {OURS}",
    BETA + "metadata: {annotations: {nvidia.com/dgd-spec: x}}": f"metadata.annotations[nvidia.com/dgd-spec]: {OURS}",
    # components
    BETA + "spec: {components: {worker: {}}}": f'spec.components: Invalid value: {{"worker": {{}}}}: {LIST}',
    BETA + "spec: {components: [5]}": "spec.components[0]: Invalid value: 5: must be an object with a name",
    BETA + "spec: {components: [{replicas: 1}]}": "spec.components[0].name: Required value: it identifies the entry of components",
    BETA + "spec: {components: [{name: 5}]}": f"spec.components[5].name: Invalid value: 5: {STRING}",
    BETA + "spec: {components: [{name: worker}, {name: worker}]}": f'spec.components[1].name: Invalid value: "worker": {TWICE}',
    component("replicas: 1", "missing"): 'spec.components[missing]: Invalid value: "missing": is not a component of this deployment, which has: Frontend, worker',
    component("replicas: 1", "prefill"): 'spec.components[prefill]: Invalid value: "prefill": is not a component of this deployment, which has: Frontend, worker',
    component("replicas: 1", "VllmPrefillWorker"): 'spec.components[VllmPrefillWorker]: Invalid value: "VllmPrefillWorker": is not a component of this deployment, which has: Frontend, worker',
    component("replicas: 1", "SGLangWorker"): 'spec.components[SGLangWorker]: Invalid value: "SGLangWorker": is a component of sglang; this deployment runs vllm: Frontend, worker',
    component("replicas: '3'"): f'spec.components[worker].replicas: Invalid value: "3": {WHOLE}',
    component("replicas: -1"): f"spec.components[worker].replicas: Invalid value: -1: {WHOLE}",
    component("replicas: null"): f"spec.components[worker].replicas: {NULL}",
    component("type: [a]"): f'spec.components[worker].type: Invalid value: ["a"]: {SINGLE}',
    component("multinode: {nodeCount: x}"): f'spec.components[worker].multinode.nodeCount: Invalid value: "x": {WHOLE}',
    component("podTemplate: []"): f"spec.components[worker].podTemplate: Invalid value: []: {OBJECT}",
    component("podTemplate: {spec: {containers: {main: {}}}}"): f'spec.components[worker].podTemplate.spec.containers: Invalid value: {{"main": {{}}}}: {LIST}',
    component("podTemplate: {spec: {tolerations: [{key: null}]}}"): f"spec.components[worker].podTemplate.spec.tolerations[0].key: {NULL}",
    component("podTemplate: {spec: {tolerations: [null]}}"): f"spec.components[worker].podTemplate.spec.tolerations[0]: {NULL}",
    component("podTemplate: {spec: {$patch: delete}}"): f"spec.components[worker].podTemplate.spec.$patch: {ONLY}",
    component("$patch: delete"): f"spec.components[worker].$patch: {ONLY}",
    component("podTemplate: {spec: {volumes: [{name: v, $retainKeys: [a]}]}}"): f"spec.components[worker].podTemplate.spec.volumes[v].$retainKeys: {ONLY}",
    component("podTemplate: {metadata: {labels: {dgdr.nvidia.com/name: x}}}"): f"spec.components[worker].podTemplate.metadata.labels[dgdr.nvidia.com/name]: {OURS}",
    component("resources: {}"): "spec.components[worker].resources: Unknown field: nvidia.com/v1beta1 has no such field; write podTemplate.spec.containers[main].resources",
    component("extraPodSpec: {}"): "spec.components[worker].extraPodSpec: Unknown field: nvidia.com/v1beta1 has no such field; write podTemplate.spec",
    BETA + "spec: {services: {worker: {}}}": "spec.services: Unknown field: nvidia.com/v1beta1 has no such field; write components",
    # containers
    container("args: --flag"): f'{MAIN}.args: Invalid value: "--flag": {LIST}',
    container("command: run"): f'{MAIN}.command: Invalid value: "run": {LIST}',
    container("command: [7]"): f"{MAIN}.command[0]: Invalid value: 7: {STRING}",
    container("envFrom: {}"): f"{MAIN}.envFrom: Invalid value: {{}}: {LIST}",
    container("envFrom: [a]"): f'{MAIN}.envFrom[0]: Invalid value: "a": {OBJECT}',
    container("resources: {limits: {rdma/ib: null}}"): f"{MAIN}.resources.limits[rdma/ib]: {NULL}",
    component("podTemplate: {spec: {topologySpreadConstraints: [{topologyKey: k, labelSelector: {matchLabels: {a: 1}}}]}}"): "spec.components[worker].podTemplate.spec.topologySpreadConstraints[k].labelSelector.matchLabels[a]: Invalid value: 1: " + STRING,
    container("workingDir: 5"): f"{MAIN}.workingDir: Invalid value: 5: {STRING}",
    container("securityContext: []"): f"{MAIN}.securityContext: Invalid value: []: {OBJECT}",
    container("startupProbe: 5"): f"{MAIN}.startupProbe: Invalid value: 5: {OBJECT}",
    container("livenessProbe: 5"): f"{MAIN}.livenessProbe: Invalid value: 5: {OBJECT}",
    container("readinessProbe: 5"): f"{MAIN}.readinessProbe: Invalid value: 5: {OBJECT}",
    container("env: [{name: A, valueFrom: a}]"): f'{MAIN}.env[A].valueFrom: Invalid value: "a": {OBJECT}',
    component("scalingAdapter: true"): f"spec.components[worker].scalingAdapter: Invalid value: true: {OBJECT}",
    component("multinode: 2"): f"spec.components[worker].multinode: Invalid value: 2: {OBJECT}",
    component("compilationCache: c"): f'spec.components[worker].compilationCache: Invalid value: "c": {OBJECT}',
    component("podTemplate: {spec: {affinity: []}}"): f"spec.components[worker].podTemplate.spec.affinity: Invalid value: []: {OBJECT}",
    component("podTemplate: {spec: {tolerations: {}}}"): f"spec.components[worker].podTemplate.spec.tolerations: Invalid value: {{}}: {LIST}",
    component("podTemplate: {spec: {nodeSelector: {a: 1}}}"): f"spec.components[worker].podTemplate.spec.nodeSelector[a]: Invalid value: 1: {STRING}",
    BETA + "spec: {env: {A: a}}": f'spec.env: Invalid value: {{"A": "a"}}: {LIST}',
    BETA + "spec: {env: [a]}": f'spec.env[0]: Invalid value: "a": {OBJECT}',
    BETA + "spec: {backendFramework: 5}": f"spec.backendFramework: Invalid value: 5: {STRING}",
    container("args: [--seed, 7]"): f"{MAIN}.args[1]: Invalid value: 7: {STRING}",
    container("env: [{name: A, value: 1}]"): f"{MAIN}.env[A].value: Invalid value: 1: {STRING}",
    container("env: [{name: A, value: yes}]"): f"{MAIN}.env[A].value: Invalid value: true: {STRING}",
    container("env: [{value: a}]"): f"{MAIN}.env[0].name: Required value: it identifies the entry of env",
    container("env: [{name: A}, {name: A}]"): f'{MAIN}.env[1].name: Invalid value: "A": {TWICE}',
    container("env: {A: a}"): f'{MAIN}.env: Invalid value: {{"A": "a"}}: {LIST}',
    container("image: [a]"): f'{MAIN}.image: Invalid value: ["a"]: {STRING}',
    container("resources: {limits: {nvidia.com/gpu: two}}"): f'{MAIN}.resources.limits[nvidia.com/gpu]: Invalid value: "two": {GPUS}',
    container("resources: {limits: [a]}"): f'{MAIN}.resources.limits: Invalid value: ["a"]: {OBJECT}',
    container("volumeMounts: [{name: model-cache, mountPath: []}]"): f'{MAIN}.volumeMounts[0]: Invalid value: {{"name": "model-cache", "mountPath": []}}: must be an object with a mountPath',
    # $patch
    container("$patch: {args: replace}, args: [--a]"): f"{MAIN}.$patch: {APPEND}",
    container("$patch: {args: append, env: append}, args: [--a]"): f"{MAIN}.$patch: {APPEND}",
    container("$patch: append, args: [--a]"): f"{MAIN}.$patch: {APPEND}",
    container("$patch: {args: append}"): f"{MAIN}.args: Invalid value: null: must be a list of strings, not empty, to be appended",
    container("$patch: {args: append}, args: []"): f"{MAIN}.args: Invalid value: []: must be a list of strings, not empty, to be appended",
    container("$patch: {args: append}, args: [--a, '']"): f'{MAIN}.args: Invalid value: ["--a", ""]: must be a list of strings, not empty, to be appended',
    container("$patch: {args: append}, args: [--a, 7]"): f'{MAIN}.args: Invalid value: ["--a", 7]: must be a list of strings, not empty, to be appended',
    container("$patch: {args: append}, args: [--a]", "side"): 'spec.components[worker].podTemplate.spec.containers[side].$patch: Invalid value: {"args": "append"}: there is no container of this name to append to',
    # v1alpha1
    ALPHA + "spec: {services: [worker]}": f'spec.services: Invalid value: ["worker"]: {OBJECT}',
    ALPHA + "spec: {services: {worker: null}}": f"{SERVICE}: {NULL}",
    ALPHA + "spec: {services: {worker: 5}}": f"{SERVICE}: Invalid value: 5: {OBJECT}",
    ALPHA + "spec: {pvcs: [{name: p, create: true}]}": "spec.pvcs[p].create: Forbidden: v1beta1 creates no claims: create the PersistentVolumeClaim beforehand and leave create out",
    service("replicas: 1", "missing"): 'spec.services.missing: Invalid value: "missing": is not a component of this deployment, which has: Frontend, worker',
    ALPHA + "spec: {services: {worker: {}, VllmWorker: {}}}": f'spec.services.VllmWorker: Invalid value: "VllmWorker": "worker" {TWICE}, once under this name',
    service("podTemplate: {}"): f"{SERVICE}.podTemplate: Unknown field: nvidia.com/v1alpha1 has no such field; write extraPodSpec",
    service("ingress: {enabled: true}"): f"{SERVICE}.ingress: Forbidden: v1beta1 has no ingress: create an Ingress or HTTPRoute yourself",
    service("labels: {a: b}"): f"{SERVICE}.labels: Forbidden: v1beta1 supports pod metadata only: use extraPodMetadata.labels",
    service("extraPodMetadata: {labels: {nvidia.com/managed-by: b}}"): f"{SERVICE}.extraPodMetadata.labels[nvidia.com/managed-by]: {OURS}",
    service("resources: {limits: {gpu: two}}"): f'{SERVICE}.resources.limits.gpu: Invalid value: "two": {GPUS}',
    service("resources: {limits: {custom: {amd.com/gpu: two}}}"): f'{SERVICE}.resources.limits.custom[amd.com/gpu]: Invalid value: "two": {GPUS}',
    service("sharedMemory: {size: []}"): f"{SERVICE}.sharedMemory.size: Invalid value: []: {SINGLE}",
    service("envFromSecret: {name: s}"): f'{SERVICE}.envFromSecret: Invalid value: {{"name": "s"}}: {STRING}',
    ALPHA + "spec: {envs: {A: a}}": f'spec.envs: Invalid value: {{"A": "a"}}: {LIST}',
    ALPHA + "spec: {envs: [a]}": f'spec.envs[0]: Invalid value: "a": {OBJECT}',
    ALPHA + "spec: {pvcs: {}}": f"spec.pvcs: Invalid value: {{}}: {LIST}",
    service("sharedMemory: 5"): f"{SERVICE}.sharedMemory: Invalid value: 5: {OBJECT}",
    service("extraPodMetadata: 5"): f"{SERVICE}.extraPodMetadata: Invalid value: 5: {OBJECT}",
    service("extraPodSpec: {mainContainer: 5}"): f"{SERVICE}.extraPodSpec.mainContainer: Invalid value: 5: {OBJECT}",
    service("resources: {requests: 5}"): f"{SERVICE}.resources.requests: Invalid value: 5: {OBJECT}",
    service("resources: {limits: {custom: 5}}"): f"{SERVICE}.resources.limits.custom: Invalid value: 5: {OBJECT}",
    service("resources: {limits: {cpu: []}}"): f"{SERVICE}.resources.limits.cpu: Invalid value: []: {SINGLE}",
    service("componentType: []"): f"{SERVICE}.componentType: Invalid value: []: {SINGLE}",
    service("envs: [{name: A, value: null}]"): f"{SERVICE}.envs[A].value: {NULL}",
    service("extraPodSpec: {mainContainer: {args: [a, 7]}}"): f"{SERVICE}.extraPodSpec.mainContainer.args[1]: Invalid value: 7: {STRING}",
    service("extraPodSpec: {mainContainer: {args: a}}"): f'{SERVICE}.extraPodSpec.mainContainer.args: Invalid value: "a": {LIST}',
    service("extraPodSpec: {mainContainer: {$patch: {args: append}, args: [a]}}"): f"{SERVICE}.extraPodSpec.mainContainer.$patch: {ONLY}",
}  # fmt: skip

CONTAINER = "podTemplate.spec.containers[main]"
OF_THE_OTHER_VERSION = {
    BETA: {
        "components": {
            "componentType": "type",
            "subComponentType": "type",
            "extraPodSpec": "podTemplate.spec",
            "extraPodMetadata": "podTemplate.metadata",
            "envs": f"{CONTAINER}.env",
            "envFromSecret": f"{CONTAINER}.envFrom",
            "sharedMemory": "sharedMemorySize",
            "resources": f"{CONTAINER}.resources",
            "volumeMounts": f"{CONTAINER}.volumeMounts",
            "livenessProbe": f"{CONTAINER}.livenessProbe",
            "readinessProbe": f"{CONTAINER}.readinessProbe",
        },
        "": {"services": "components", "envs": "env", "pvcs": "podTemplate.spec.volumes of a component"},
    },
    ALPHA: {
        "services": {
            "type": "componentType",
            "podTemplate": "extraPodSpec",
            "sharedMemorySize": "sharedMemory.size",
            "compilationCache": "volumeMounts, with useAsCompilationCache",
        },
        "": {"components": f"services, or {BETA.strip().replace(chr(10), ' and ')}", "env": "envs"},
    },
}


@pytest.mark.parametrize("version", OF_THE_OTHER_VERSION)
def test_fields_of_the_other_version_are_refused_with_their_counterpart(aggregated: Any, version: str) -> None:
    for place, fields in OF_THE_OTHER_VERSION[version].items():
        for field, counterpart in fields.items():
            given: Any = {field: None}
            spec = {"components": [{"name": "worker"} | given]} if place == "components" else {place: {"worker": given}}
            path = {"components": "components[worker].", "services": "services.worker."}.get(place, "")
            messages = refused(aggregated, {**read(version), "spec": spec if place else given})
            hint = f"{read(version)['apiVersion']} has no such field; write {counterpart}"
            assert messages[0] == f"spec.{path}{field}: Unknown field: {hint}"


NOT_BEFORE = {  # what only the deployment tells
    component("replicas: 1", "prefill"),
    component("replicas: 1", "VllmPrefillWorker"),
    component("replicas: 1", "SGLangWorker"),
}
"""Mistakes that admission cannot know: they depend on the deployment."""


@pytest.mark.parametrize(("override", "message"), MISTAKES.items())
def test_mistake_is_named(aggregated: Any, override: str, message: str) -> None:
    assert refused(aggregated, read(override)) == [message]


@pytest.mark.parametrize("override", [override for override in MISTAKES if override not in NOT_BEFORE])
def test_admission_finds_it_too_at_the_same_place(override: str) -> None:
    given = read(override)
    before = copy.deepcopy(given)
    (error,) = check(given, "qwen", "team")
    assert given == before
    assert str(error).removeprefix("spec.overrides.dgd.").split(":")[0] == MISTAKES[override].split(":")[0]


@pytest.mark.parametrize("override", sorted(NOT_BEFORE))
def test_admission_lets_through_what_may_become_right(override: str) -> None:
    assert check(read(override), "qwen", "team") == []


def test_mistakes_are_told_all_at_once(aggregated: Any) -> None:
    override = read("""
    kind: DynamoGraphDeployment
    status: {}
    metadata: {namespace: other, finalizers: [a]}
    """) | {"apiVersion": "nvidia.com/v1beta1"}
    override["spec"] = read("""
    backendFramework: null
    components:
    - name: Frontned
    - name: worker
      replicas: many
      podTemplate: {spec: {containers: [{name: main, args: [1], env: [{value: a}]}]}}
    """)
    assert [message.split(":")[0] for message in refused(aggregated, override)] == [
        "status",
        "metadata.finalizers",
        "metadata.namespace",
        "spec.components[Frontned]",
        "spec.backendFramework",
        "spec.components[worker].replicas",
        "spec.components[worker].podTemplate.spec.containers[main].args[0]",
        "spec.components[worker].podTemplate.spec.containers[main].env[0].name",
    ]


def test_mistakes_of_merging_and_of_converting_are_told_together(aggregated: Any) -> None:
    override = read(service("replicas: null, ingress: {enabled: true}, resources: {limits: {gpu: x}}"))
    assert [message.split(":")[0] for message in refused(aggregated, override)] == [
        f"{SERVICE}.replicas",
        f"{SERVICE}.resources.limits.gpu",
        f"{SERVICE}.ingress",
    ]


def test_deployment_that_v1alpha1_cannot_say_wants_v1beta1(aggregated: Any) -> None:
    graph = copy.deepcopy(aggregated)
    graph["spec"]["components"][1]["experimental"] = {"failover": {}}
    (message,) = refused(graph, read(service("replicas: 1")))
    assert message.startswith("apiVersion: Forbidden: write the override in nvidia.com/v1beta1")
    assert "spec.components[worker].experimental" in message


def test_metadata_of_ours_may_be_repeated(aggregated: Any) -> None:
    override: Any = {
        "metadata": {"labels": aggregated["metadata"]["labels"], "annotations": aggregated["metadata"]["annotations"]}
    }
    assert merge(aggregated, override).graph == aggregated


def test_container_without_arguments_has_none_to_append_to(aggregated: Any) -> None:
    graph = copy.deepcopy(aggregated)
    del graph["spec"]["components"][1]["podTemplate"]["spec"]["containers"][0]["args"]
    (message,) = refused(graph, read(container("$patch: {args: append}, args: [--a]")))
    assert (
        message
        == f'{MAIN}.$patch: Invalid value: {{"args": "append"}}: the container has no args to append to: write the whole command line'
    )


def test_namespace_cannot_be_given_where_none_is_known() -> None:
    override = read("metadata: {namespace: team}")
    assert [error.path for error in check(override, "qwen")] == ["spec.overrides.dgd.metadata.namespace"]
    assert check(override, "qwen", "team") == []


@pytest.mark.parametrize("value", [[], 5, None])
@pytest.mark.parametrize("place", ["metadata", "spec", "spec.services", "spec.services.worker.extraPodSpec"])
def test_parts_of_any_shape_are_refused_not_stumbled_over(aggregated: Any, value: Any, place: str) -> None:
    for field in reversed(place.split(".")):
        value = {field: value}
    (message,) = refused(aggregated, value)
    assert message.startswith(f"{place}: ")
