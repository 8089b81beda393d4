"""Bases of every shape: what is no deployment is refused with a path, never stumbled over."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dgdr_controller.deployment.base.base_deployment import BaseDeploymentError, on_base
from dgdr_controller.deployment.overrides.dgd import gpus_of

FIELDS = """
    name type componentType subComponentType replicas multinode nodeCount podTemplate spec metadata labels containers
    initContainers volumes volumeMounts mountPoint envs env envFrom envFromSecret secretRef resources limits gpu gpuType
    custom nvidia.com/gpu extraPodSpec mainContainer command args sharedMemory scalingAdapter pvcs create x
"""
LEAVES = (
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["main", "worker", "decode", "1", "-tp", "sh"])
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS.split()), inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS.split()), JUNK, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(inner=JUNK, fields=OBJECTS, kind=st.sampled_from(["frontend", "prefill", "decode"]))
def test_base_of_any_shape_is_used_or_refused(inner: Any, fields: Any, kind: str, plan: Any) -> None:
    alpha = {"apiVersion": "nvidia.com/v1alpha1", "kind": "DynamoGraphDeployment"}
    role = (
        {"componentType": "frontend"} if kind == "frontend" else {"componentType": "worker", "subComponentType": kind}
    )
    beta = copy.deepcopy(plan)
    beta["spec"]["components"] = [
        {**component, **fields, "name": component["name"], "type": kind} if component["type"] == kind else component
        for component in beta["spec"]["components"]
    ]
    for base in (
        beta,
        {**beta, "metadata": inner},
        {**beta, "spec": inner},
        {**alpha, "spec": inner},
        {**alpha, "spec": {"services": {kind: {**fields, **role}}, "pvcs": inner}},
    ):
        used_or_refused(base, plan)


def used_or_refused(base: Any, plan: Any) -> None:
    before = copy.deepcopy((base, plan))
    refused = False
    try:
        graph = on_base(base, plan)
    except BaseDeploymentError as error:
        refused = bool(error.errors)
    else:
        assert gpus_of(graph) >= gpus_of(plan)
    assert refused or graph["metadata"]["name"] == plan["metadata"]["name"]  # type: ignore[index, call-overload]
    assert (base, plan) == before
