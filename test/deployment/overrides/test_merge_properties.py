"""Properties over rendered graphs and overrides of every shape."""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Mode
from dgdr_controller.deployment.overrides.dgd import OverrideError, check, gpus_of, merge

BETA = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment"}
ALPHA = {"apiVersion": "nvidia.com/v1alpha1", "kind": "DynamoGraphDeployment"}
NAMES = st.sampled_from(["Frontend", "worker", "prefill", "decode", "VllmDecodeWorker"])
WORD = st.sampled_from(["a", "b", "c"])
MODE = st.sampled_from(Mode)
ENV = st.lists(
    st.fixed_dictionaries({"name": WORD, "value": WORD}),
    unique_by=lambda variable: variable["name"],
    min_size=1,
    max_size=3,
)
CONTAINER = {
    "image": WORD,
    "args": st.lists(WORD),
    "command": st.lists(WORD),
    "env": ENV,
    "resources": st.just({"limits": {"cpu": "1", "nvidia.com/gpu": "3"}}),
    "livenessProbe": st.sampled_from([{"exec": {"command": ["x"]}}, {"httpGet": {"port": 1}}]),
}
POD = {
    "nodeSelector": st.dictionaries(WORD, WORD),
    "tolerations": st.lists(st.fixed_dictionaries({"key": WORD})),
    "volumes": st.just([{"name": "v", "emptyDir": {}}]),
    "priorityClassName": WORD,
}


@st.composite
def component(draw: st.DrawFn, name: str) -> dict[str, Any]:
    main = {"name": "main", **draw(st.fixed_dictionaries({}, optional=CONTAINER))}
    pod = {"containers": [main], **draw(st.fixed_dictionaries({}, optional=POD))}
    metadata = draw(st.fixed_dictionaries({}, optional={"labels": st.dictionaries(WORD, WORD)}))
    optional = {"replicas": st.integers(0, 5), "sharedMemorySize": WORD, "multinode": st.just({"nodeCount": 2})}
    return {"name": name, "podTemplate": {"metadata": metadata, "spec": pod}} | draw(
        st.fixed_dictionaries({}, optional=optional)
    )


@st.composite
def overrides(draw: st.DrawFn, names: tuple[str, ...]) -> dict[str, Any]:
    """An override in v1beta1 without modifiers, for some of these components."""
    chosen = draw(st.lists(st.sampled_from(names), unique=True))
    spec = {"components": [draw(component(name)) for name in chosen]}
    metadata = draw(
        st.fixed_dictionaries({}, optional={"labels": st.dictionaries(WORD, WORD), "name": st.just("mine")})
    )
    return {**BETA, "metadata": metadata, "spec": spec}


WORKERS = {Mode.AGGREGATED: ("Frontend", "worker"), Mode.DISAGGREGATED: ("Frontend", "prefill", "decode")}

FIELDS = """
    name spec services components worker Frontend podTemplate containers env args $patch extraPodSpec mainContainer
    resources limits gpu nvidia.com/gpu volumeMounts volumes metadata labels replicas multinode nodeCount envs
    envFromSecret pvcs sharedMemory x
"""
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split()), inner, max_size=4),
    max_leaves=25,
)


@given(data=st.data())
def test_empty_override_changes_nothing(data: st.DataObject, rendered: Callable[..., Any]) -> None:
    graph = rendered(data.draw(MODE))
    for version in ({}, BETA, ALPHA):
        contents: tuple[Any, ...] = ({}, {"metadata": {}}, {"spec": {}}, {"spec": {"backendFramework": "vllm"}})
        for content in contents:
            merged = merge(graph, {**version, **content})
            assert merged.graph == graph
            assert merged.graph is not graph
            assert merged.warnings == ()


@given(data=st.data())
def test_merge_twice_is_merge_once(data: st.DataObject, rendered: Callable[..., Any]) -> None:
    mode = data.draw(MODE)
    graph, override = rendered(mode), data.draw(overrides(WORKERS[mode]))
    before = copy.deepcopy((graph, override))
    once = merge(graph, override)
    assert (graph, override) == before
    assert merge(once.graph, override) == once
    assert check(override, "qwen", "team") == []


@given(data=st.data())
def test_override_is_deployed_as_it_is_written(data: st.DataObject, rendered: Callable[..., Any]) -> None:
    mode = data.draw(MODE)
    graph, override = rendered(mode), data.draw(overrides(WORKERS[mode]))
    merged: Any = merge(graph, override).graph
    for wanted in override["spec"]["components"]:
        (got,) = [entry for entry in merged["spec"]["components"] if entry["name"] == wanted["name"]]
        assert covers(got, wanted), (got, wanted)
    untouched = {entry["name"] for entry in graph["spec"]["components"]} - {
        c["name"] for c in override["spec"]["components"]
    }
    for name in untouched:
        assert [c for c in merged["spec"]["components"] if c["name"] == name] == [
            c for c in graph["spec"]["components"] if c["name"] == name
        ]


def covers(got: Any, wanted: Any) -> bool:
    """Say whether an object holds everything of another one; entries with a name are looked up by it."""
    if isinstance(wanted, dict):
        return all(key in got and covers(got[key], value) for key, value in wanted.items())
    if isinstance(wanted, list) and wanted and all(isinstance(entry, dict) and "name" in entry for entry in wanted):
        return all(any(entry["name"] == one["name"] and covers(entry, one) for entry in got) for one in wanted)
    return bool(got == wanted)


@given(data=st.data())
def test_override_does_the_same_in_both_versions(data: st.DataObject, rendered: Callable[..., Any]) -> None:
    """Apart from arguments, which v1alpha1 appends."""
    mode = data.draw(MODE)
    graph, beta = rendered(mode), data.draw(overrides(WORKERS[mode]))
    services = {}
    for wanted in beta["spec"]["components"]:
        fields = {key: value for key, value in wanted.items() if key not in ("name", "podTemplate", "sharedMemorySize")}
        pod = dict(wanted["podTemplate"]["spec"])
        (main,) = pod.pop("containers")
        main.pop("args", None)
        fields["extraPodSpec"] = {**pod, "mainContainer": {k: v for k, v in main.items() if k != "name"}}
        fields["extraPodMetadata"] = wanted["podTemplate"]["metadata"]
        if "sharedMemorySize" in wanted:
            fields["sharedMemory"] = {"size": wanted["sharedMemorySize"]}
        services[wanted["name"]] = fields
    alpha = beta | ALPHA | {"spec": {"services": services}}
    assert merge(graph, alpha).graph == merge(graph, beta).graph


def merged_or_refused(graph: Any, override: Any) -> None:
    before = copy.deepcopy((graph, override))
    paths: list[str] = []
    try:
        merged = merge(graph, override).graph
    except OverrideError as error:
        paths = [field_error.path for field_error in error.errors]
    else:
        assert gpus_of(merged) >= 0
        assert merged["apiVersion"] == "nvidia.com/v1beta1"
    assert all(path.startswith("spec.overrides.dgd.") for path in paths)
    assert (graph, override) == before


@given(override=JUNK, version=st.sampled_from([{}, BETA, ALPHA]), data=st.data())
def test_override_of_any_shape_is_merged_or_refused(
    override: Any, version: Any, data: st.DataObject, rendered: Callable[..., Any]
) -> None:
    content = override if isinstance(override, dict) else {"spec": override}
    merged_or_refused(rendered(data.draw(MODE)), {**content, **version})


@given(name=NAMES, inner=JUNK)
def test_component_of_any_shape_is_merged_or_refused(name: str, inner: Any, rendered: Callable[..., Any]) -> None:
    graph = rendered(Mode.AGGREGATED)
    for fields in (inner, {"extraPodSpec": inner}, {"resources": inner, "volumeMounts": inner, "envFromSecret": inner}):
        merged_or_refused(graph, {"spec": {"services": {name: fields}}})
    merged_or_refused(graph, {**BETA, "spec": {"components": [{"name": name, "podTemplate": inner}]}})
