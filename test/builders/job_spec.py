"""Parts of a JobSpec, drawn from the schema of ``spec.overrides.profilingJob``."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from dgdr_api import schema
from dgdr_api.job_spec import PROFILER_FIXED, PUBLISHER_FREE

SCHEMA = schema.job_spec()
NOT_OURS = {
    "": ("selector", "manualSelector", "backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"),
    ".template.spec": ("serviceAccount",),
}
WORDS = st.sampled_from(["a", "b", "c-1"])
KEYS = {True: st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), False: st.sampled_from(["a", "b.c/d"])}
GIVEN: dict[str, st.SearchStrategy[Any]] = {  # where there is more to know than the schema says
    ".completionMode": st.just("NonIndexed"),
    ".completions": st.just(1),
    ".parallelism": st.just(1),
    ".suspend": st.sampled_from([False]),
    ".managedBy": st.just("kubernetes.io/job-controller"),
    ".podReplacementPolicy": st.just("Failed"),
    ".template.spec.restartPolicy": st.just("Never"),
    ".template.spec.tolerations[]": st.sampled_from(
        [
            {"operator": "Exists"},
            {"key": "a", "value": "b", "effect": "NoSchedule"},
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ]
    ).map(copy.deepcopy),
    ".template.spec.containers[].name": st.sampled_from(["profiler", "output-copier"]),
    ".template.spec.initContainers[].name": st.sampled_from(["i", "j"]),
}
ONE_OF = ("volumes[]", "env[]", "valueFrom", "resources")
"""Objects of which one field is drawn, beside those that it must have: not every two go together."""
OFTEN = {"": ("template",), ".template": ("spec",), ".template.spec": ("containers",)}
"""Fields that are always drawn, for most others are below them."""


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every schema with its path."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for below, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if below in node:
            yield from nodes(node[below], f"{path}{sign}")


NODES = dict(nodes(SCHEMA))


@st.composite
def part(draw: st.DrawFn, path: str = "") -> Any:
    """A value that the schema admits and a profiling Job may have."""
    node = NODES[path]
    if path in GIVEN:
        return draw(GIVEN[path])
    if "enum" in node:
        return draw(st.sampled_from(node["enum"]))
    if "pattern" in node:
        return draw(st.sampled_from([0, 3, "1", "2Gi", "1e3", "4k"]))
    made = {"array": a_list, "object": a_map if "additionalProperties" in node else an_object}
    if node.get("type") in made:
        return draw(made[node["type"]](path))
    leaves = {"string": WORDS, "integer": st.integers(1, 2**31 - 1), "boolean": st.booleans()}
    return draw(leaves.get(node.get("type"), st.sampled_from([1, "http"])))


def a_list(path: str) -> st.SearchStrategy[Any]:
    node = NODES[path]
    keys = node.get("x-kubernetes-list-map-keys", ())

    def apart(item: Any) -> Any:
        return tuple(item.get(key, node["items"]["properties"][key].get("default")) for key in keys) or item

    distinct = keys or node["x-kubernetes-list-type"] == "set"
    return st.lists(part(f"{path}[]"), max_size=2, unique_by=apart if distinct else None)


def a_map(path: str) -> st.SearchStrategy[Any]:
    return st.dictionaries(KEYS["pattern" in NODES[f"{path}{{}}"]], part(f"{path}{{}}"), max_size=2)


@st.composite
def an_object(draw: st.DrawFn, path: str) -> Any:
    node = NODES[path]
    chosen = {*node.get("required", ()), *OFTEN.get(path, ())}
    others = sorted(set(node["properties"]) - chosen - {*NOT_OURS.get(path, ())})
    least, most = int(path.endswith("valueFrom")), 1 if path.endswith(ONE_OF) else 3
    if others:
        chosen |= set(draw(st.lists(st.sampled_from(others), min_size=least, max_size=most, unique=True)))
    made = {name: draw(part(f"{path}.{name}")) for name in sorted(chosen)}
    if path == ".template.spec.containers[]":
        free = PUBLISHER_FREE if made["name"] == "output-copier" else made.keys() - PROFILER_FIXED
        return {name: value for name, value in made.items() if name in free}
    return made
