"""v1beta1 → v1alpha1 → v1beta1, and what each field of one is in the other."""

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate
from dgdr_controller.deployment.conversion.versions import ConversionError, obsolete, to_v1alpha1, to_v1beta1
from dgdr_controller.deployment.render import Nodes, render, unrenderable
from dgdr_controller.manifest import load_documents
from dgdr_controller.settings import Settings

TEXT = st.sampled_from(["a", "b-c", "x/y", "0"])
QUANTITY = st.sampled_from(["1", "500m", "8Gi"])
PROBE = st.fixed_dictionaries(
    {"httpGet": st.just({"path": "/live", "port": 9090})}, optional={"periodSeconds": st.integers(1, 9)}
)
SOURCE = st.sampled_from(["value", "fieldRef", "secretKeyRef"])


def env_var(name: str, source: str) -> dict[str, Any]:
    if source == "value":
        return {"name": name, "value": "1"}
    return {"name": name, "valueFrom": {source: {"name": "s", "key": "k"}}}


CONTAINER = {
    "image": TEXT,
    "command": st.lists(TEXT),
    "args": st.lists(TEXT),
    "workingDir": TEXT,
    "env": st.lists(st.builds(env_var, TEXT, SOURCE), unique_by=lambda variable: variable["name"]),
    "envFrom": st.just([{"secretRef": {"name": "hf-token-secret", "optional": True}}]),
    "volumeMounts": st.just([{"name": "v", "mountPath": "/v", "readOnly": True}]),
    "livenessProbe": PROBE,
    "readinessProbe": PROBE,
    "startupProbe": PROBE,
    "resources": st.fixed_dictionaries(
        {},
        optional={
            name: st.dictionaries(
                st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "amd.com/gpu", "rdma/ib", "ephemeral-storage"]),
                QUANTITY,
            )
            for name in ("limits", "requests")
        },
    ),
}
POD = {
    "tolerations": st.just([{"key": "nvidia.com/gpu", "operator": "Exists"}]),
    "affinity": st.just(
        {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
    ),
    "nodeSelector": st.dictionaries(TEXT, TEXT),
    "volumes": st.sampled_from(
        [
            [{"name": "v", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}],
            [{"name": "v", "configMap": {"name": "c"}}],
        ]
    ),
}


@st.composite
def components(draw: st.DrawFn) -> dict[str, Any]:
    main = {"name": "main", **draw(st.fixed_dictionaries({}, optional=CONTAINER))}
    sidecars = draw(st.sampled_from([[], [{"name": "sidecar", "image": "s"}]]))
    pod = {"containers": [main, *sidecars], **draw(st.fixed_dictionaries({}, optional=POD))}
    template: dict[str, Any] = {"spec": pod}
    if draw(st.booleans()):
        template["metadata"] = draw(
            st.fixed_dictionaries(
                {}, optional={"labels": st.dictionaries(TEXT, TEXT), "annotations": st.dictionaries(TEXT, TEXT)}
            )
        )
    optional = {
        "type": st.sampled_from(["frontend", "worker", "prefill", "decode", "planner"]),
        "replicas": st.integers(0, 9),
        "runtimeVersionOverride": st.just("1.6.1"),
        "multinode": st.just({"nodeCount": 2}),
        "sharedMemorySize": st.sampled_from(["16Gi", "0"]),
        "scalingAdapter": st.just({}),
        "modelRef": st.just({"name": "m"}),
        "compilationCache": st.just({"pvcName": "cache", "mountPath": "/cache"}),
        "podTemplate": st.just(template),
    }
    return draw(st.fixed_dictionaries({}, optional=optional))


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(["Frontend", "worker", "prefill", "decode", "Planner"]), unique=True))
    spec: dict[str, Any] = {
        "backendFramework": "vllm",
        "components": [{"name": name, **draw(components())} for name in names],
    }
    if draw(st.booleans()):
        spec |= {"env": [{"name": "A", "value": "b"}], "labels": {"a": "b"}, "priorityClassName": "p"}
    metadata = {"name": "g", "labels": {"a": "b"}}
    return {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment", "metadata": metadata, "spec": spec}


@given(graph=graphs())
def test_round_trip_is_the_same(graph: dict[str, Any]) -> None:
    before = copy.deepcopy(graph)
    alpha = to_v1alpha1(graph)
    assert graph == before
    assert alpha["apiVersion"] == "nvidia.com/v1alpha1"
    unchanged = copy.deepcopy(alpha)
    assert to_v1beta1(alpha) == graph
    assert alpha == unchanged
    assert obsolete(alpha) == []


@given(data=st.data())
def test_rendered_deployment_survives_with_and_without_a_model_cache(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], graph_request: Any
) -> None:
    candidate = data.draw(candidates)
    assume(unrenderable(candidate, Nodes(gpus=8)) is None)
    features = data.draw(st.sampled_from([None, {"planner": True, "kvRouter": True}, {"mocker": True}]))
    cache = data.draw(st.sampled_from([None, {"pvcName": "claim"}]))
    request = graph_request(runtimeVersionOverride="1.6.1", modelCache=cache, features=features)
    graph = render(candidate, request, Settings()).graph.manifest()
    assert to_v1beta1(to_v1alpha1(graph)) == graph


SAME = {"kind": "DynamoGraphDeployment", "metadata": {"name": "g"}}
BETA = """
spec:
  env: [{name: A, value: b}]
  components:
  - name: decode
    type: decode
    replicas: 2
    multinode: {nodeCount: 2}
    sharedMemorySize: 16Gi
    scalingAdapter: {}
    compilationCache: {pvcName: cache, mountPath: /cache}
    podTemplate:
      metadata: {labels: {l: x}, annotations: {n: y}}
      spec:
        tolerations: [{key: t}]
        volumes: [{name: v, configMap: {name: c}}]
        containers:
        - name: main
          image: i
          command: [python3]
          args: [--a]
          env: [{name: E, value: "1"}]
          envFrom: [{secretRef: {name: s, optional: true}}]
          volumeMounts: [{name: v, mountPath: /v, readOnly: true}]
          livenessProbe: {exec: {command: [live]}}
          readinessProbe: {exec: {command: [ready]}}
          startupProbe: {exec: {command: [start]}}
          resources:
            limits: {cpu: "1", memory: 8Gi, nvidia.com/gpu: "4", rdma/ib: "2"}
            requests: {nvidia.com/gpu: "4"}
        - name: sidecar
          image: j
"""
ALPHA = """
spec:
  envs: [{name: A, value: b}]
  pvcs: [{name: cache, create: false}]
  services:
    decode:
      componentType: worker
      subComponentType: decode
      replicas: 2
      multinode: {nodeCount: 2}
      sharedMemory: {size: 16Gi}
      scalingAdapter: {enabled: true}
      volumeMounts: [{name: cache, mountPoint: /cache, useAsCompilationCache: true}]
      envs: [{name: E, value: "1"}]
      livenessProbe: {exec: {command: [live]}}
      readinessProbe: {exec: {command: [ready]}}
      resources:
        limits: {cpu: "1", memory: 8Gi, gpu: "4", custom: {rdma/ib: "2"}}
        requests: {gpu: "4"}
      extraPodMetadata: {labels: {l: x}, annotations: {n: y}}
      extraPodSpec:
        tolerations: [{key: t}]
        volumes: [{name: v, configMap: {name: c}}]
        containers: [{name: sidecar, image: j}]
        mainContainer:
          image: i
          command: [python3]
          args: [--a]
          envFrom: [{secretRef: {name: s, optional: true}}]
          volumeMounts: [{name: v, mountPath: /v, readOnly: true}]
          startupProbe: {exec: {command: [start]}}
"""


def read(text: str) -> Any:
    (document,) = load_documents(text)
    return document


def test_each_field_has_its_counterpart() -> None:
    beta = {**SAME, "apiVersion": "nvidia.com/v1beta1", **read(BETA)}
    alpha = {**SAME, "apiVersion": "nvidia.com/v1alpha1", **read(ALPHA)}
    assert to_v1alpha1(beta) == alpha
    assert to_v1beta1(alpha) == beta


def service(text: str, spec: str = "") -> Any:
    """Return the only component of a graph whose only service is this one."""
    whole = {**(read(spec) if spec else {}), "services": {"w": read(text)}}
    graph: Any = to_v1beta1({"apiVersion": "nvidia.com/v1alpha1", "spec": whole})
    (component,) = graph["spec"]["components"]
    return component


def main(text: str, spec: str = "") -> Any:
    return service(text, spec)["podTemplate"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("{limits: {gpu: '2', gpuType: gpu.intel.com/xe}}", {"limits": {"gpu.intel.com/xe": "2"}}),
        ("{limits: {gpu: '2', custom: {nvidia.com/gpu: '4'}}}", {"limits": {"nvidia.com/gpu": "4"}}),
        ("{limits: {gpu: 2}}", {"limits": {"nvidia.com/gpu": "2"}}),
        ("{limits: {gpuType: amd.com/gpu}}", {"limits": {}}),
        (
            "{limits: {custom: {amd.com/gpu: '8'}}, claims: [{name: c}]}",
            {"limits": {"amd.com/gpu": "8"}, "claims": [{"name": "c"}]},
        ),
    ],
)
def test_gpus_of_any_vendor(written: str, read_as: dict[str, Any]) -> None:
    assert main(f"{{resources: {written}}}")["resources"] == read_as


def test_gpu_of_another_vendor_is_gpu_and_gpu_type() -> None:
    graph = read(BETA)
    main_container = graph["spec"]["components"][0]["podTemplate"]["spec"]["containers"][0]
    main_container["resources"] = {"limits": {"amd.com/gpu": "8"}}
    alpha: Any = to_v1alpha1(graph)
    expected = {"limits": {"gpu": "8", "gpuType": "amd.com/gpu"}}
    assert alpha["spec"]["services"]["decode"]["resources"] == expected


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("{componentType: worker}", "worker"),
        ("{componentType: worker, subComponentType: prefill}", "prefill"),
        ("{componentType: prefill}", "prefill"),
        ("{subComponentType: decode}", "decode"),
        ("{replicas: 1}", None),
    ],
)
def test_role_is_the_type(written: str, read_as: str | None) -> None:
    assert service(written).get("type") == read_as


def test_main_container_wins_over_the_fields_of_the_service() -> None:
    written = """
    envs: [{name: A, value: "1"}, {name: B, value: "1"}]
    resources: {limits: {cpu: "1", gpu: "1"}}
    livenessProbe: {exec: {command: [a]}, periodSeconds: 5}
    volumeMounts: [{name: c, mountPoint: /c}]
    extraPodSpec:
      mainContainer:
        name: other
        env: [{name: B, value: "2"}, {name: C, value: "2"}]
        resources: {limits: {nvidia.com/gpu: "2"}}
        livenessProbe: {httpGet: {port: 1}}
        volumeMounts: [{name: d, mountPath: /d}]
    """
    assert main(written) == {
        "name": "main",
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "C", "value": "2"}],
        "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "2"}},
        "livenessProbe": {"httpGet": {"port": 1}, "periodSeconds": 5},
        "volumeMounts": [{"name": "c", "mountPath": "/c"}, {"name": "d", "mountPath": "/d"}],
    }


@pytest.mark.parametrize(
    ("others", "sources"),
    [
        ("[]", [{"secretRef": {"name": "s"}}]),
        (
            "[{secretRef: {name: s, optional: true}}, {secretRef: {name: t}}]",
            [{"secretRef": {"name": "s"}}, {"secretRef": {"name": "t"}}],
        ),
        ("[{configMapRef: {name: s}}]", [{"configMapRef": {"name": "s"}}, {"secretRef": {"name": "s"}}]),
    ],
)
def test_secret_of_the_service_must_exist(others: str, sources: list[Any]) -> None:
    assert main(f"{{envFromSecret: s, extraPodSpec: {{mainContainer: {{envFrom: {others}}}}}}}")["envFrom"] == sources


def test_mounted_claim_becomes_a_volume_of_its_name() -> None:
    component = service(
        "{volumeMounts: [{name: m, mountPoint: /m}, {name: m, mountPoint: /n}]}", "pvcs: [{name: m, create: false}]"
    )
    pod = component["podTemplate"]["spec"]
    assert pod["volumes"] == [{"name": "m", "persistentVolumeClaim": {"claimName": "m"}}]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "m", "mountPath": "/m"}, {"name": "m", "mountPath": "/n"}]


def test_mount_of_a_volume_that_the_pod_has_adds_none() -> None:
    written = "{volumeMounts: [{name: m, mountPoint: /m}], extraPodSpec: {volumes: [{name: m, emptyDir: {}}]}}"
    assert service(written)["podTemplate"]["spec"]["volumes"] == [{"name": "m", "emptyDir": {}}]


@pytest.mark.parametrize(
    "written",
    ["{scalingAdapter: {enabled: false}}", "{sharedMemory: {}}", "{ingress: {enabled: false}}", "{checkpoint: {}}"],
)
def test_switch_that_is_off_is_absent(written: str) -> None:
    assert service(written) == {"name": "w"}


def test_shared_memory_can_be_off() -> None:
    assert service("{sharedMemory: {disabled: true}}")["sharedMemorySize"] == "0"


def test_fields_that_nobody_knows_keep_their_name() -> None:
    assert service("{minAvailable: 2, brandNew: {a: 1}}") == {"name": "w", "minAvailable": 2, "brandNew": {"a": 1}}


def test_fields_without_effect_are_told() -> None:
    written: Any = {
        "spec": {"services": {"w": {"dynamoNamespace": "x", "serviceName": "w"}, "v": {"autoscaling": {}}, "u": None}}
    }
    assert [sentence.split(":")[0] for sentence in obsolete(written)] == [
        "spec.services.w.dynamoNamespace",
        "spec.services.w.serviceName",
        "spec.services.v.autoscaling",
    ]
    assert service("{dynamoNamespace: x, autoscaling: {enabled: true}, serviceName: w}") == {"name": "w"}


@pytest.mark.parametrize(
    ("written", "path", "way_out"),
    [
        ("{ingress: {enabled: true}}", "ingress", "create an Ingress or HTTPRoute yourself"),
        ("{frontendSidecar: {image: i}}", "frontendSidecar", "podTemplate.spec.containers"),
        ("{gpuMemoryService: {enabled: true}}", "gpuMemoryService", "experimental.gpuMemoryService"),
        ("{failover: {enabled: true}}", "failover", "experimental.failover"),
        ("{checkpoint: {enabled: true}}", "checkpoint", "experimental.checkpoint"),
        ("{labels: {a: b}}", "labels", "extraPodMetadata.labels"),
        ("{annotations: {a: b}}", "annotations", "extraPodMetadata.annotations"),
        ("{componentType: worker, subComponentType: other}", "subComponentType", "prefill"),
        (
            "{volumeMounts: [{name: a, useAsCompilationCache: true}, {name: b, useAsCompilationCache: true}]}",
            "volumeMounts",
            "one compilation cache",
        ),
        ("{volumeMounts: [{name: a}]}", "volumeMounts[0].mountPoint", ""),
        ("{volumeMounts: [{mountPoint: /a}]}", "volumeMounts[0].name", ""),
        (
            "{volumeMounts: [{name: p, mountPoint: /a}], extraPodSpec: {volumes: [{name: p, emptyDir: {}}]}}",
            "volumeMounts",
            "under another name",
        ),
        ("{envFromSecret: [s]}", "envFromSecret", "name of a Secret"),
        ("{resources: {limits: {gpu: [1]}}}", "resources.limits.gpu", "quantity"),
        ("{resources: {limits: {custom: {a/b: true}}}}", "resources.limits.custom[a/b]", "quantity"),
        ("{resources: {limits: 5}}", "resources.limits", "object"),
        ("{resources: []}", "resources", "object"),
        ("{sharedMemory: 5}", "sharedMemory", "object"),
        ("{scalingAdapter: true}", "scalingAdapter", "object"),
        ("{extraPodMetadata: []}", "extraPodMetadata", "object"),
        ("{extraPodSpec: {mainContainer: []}}", "extraPodSpec.mainContainer", "object"),
        ("{extraPodSpec: {containers: {}}}", "extraPodSpec.containers", "list"),
    ],
)
def test_field_that_v1beta1_cannot_say_is_refused_with_the_way_out(written: str, path: str, way_out: str) -> None:
    with pytest.raises(ConversionError) as refused:
        service(written, "pvcs: [{name: p}]")
    (error,) = refused.value.errors
    assert error.path == f"spec.services.w.{path}"
    assert way_out in error.detail


def test_claim_is_not_created_and_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ConversionError) as refused:
        service("{ingress: {enabled: true}, labels: {a: b}}", "pvcs: [{name: p, create: true}, {create: false}]")
    assert [error.path for error in refused.value.errors] == [
        "spec.pvcs[p].create",
        "spec.pvcs[1].name",
        "spec.services.w.ingress",
        "spec.services.w.labels",
    ]


V1BETA1_ONLY = {
    "{name: w, podTemplate: {metadata: 5}}": "spec.components[w].podTemplate.metadata",
    "{name: w, podTemplate: {spec: 5}}": "spec.components[w].podTemplate.spec",
    "{name: w, podTemplate: 5}": "spec.components[w].podTemplate",
    "{name: w, compilationCache: 5}": "spec.components[w].compilationCache",
    "{name: w, experimental: {failover: {}}}": "spec.components[w].experimental",
    "{name: w, frontendSidecar: s}": "spec.components[w].frontendSidecar",
    "{name: w, podTemplate: {metadata: {finalizers: [f]}}}": "spec.components[w].podTemplate.metadata.finalizers",
    "{type: worker}": "spec.components[0].name",
    "{name: w, podTemplate: {spec: {containers: {}}}}": "spec.components[w].podTemplate.spec.containers",
}


@pytest.mark.parametrize("written", V1BETA1_ONLY)
def test_field_that_v1alpha1_cannot_say_is_refused_with_its_path(written: str) -> None:
    with pytest.raises(ConversionError) as refused:
        to_v1alpha1({"spec": {"components": [read(written)]}})
    assert [error.path for error in refused.value.errors] == [V1BETA1_ONLY[written]]
