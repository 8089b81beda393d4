"""Who may only write requests can work on one that somebody with more rights has made, but not make more of it."""

import uuid
from dataclasses import replace
from typing import Any

import pytest

from hack.cluster.api import MERGE_PATCH

pytestmark = pytest.mark.cluster

People = Any  # test modules do not import each other
CONTROLLER = "system:serviceaccount:dgdr-system:dgdr-controller"
NVIDIAS = "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1"
TOLERATING = [{"key": "gpu", "operator": "Exists"}]
DEBUG = {"name": "debug", "image": "evil", "volumeMounts": [{"name": "code", "mountPath": "/code"}]}
WHOLE: dict[str, Any] = {
    "image": "registry.example/mine/dynamo-planner:1.6.1",
    "modelCache": {"pvcName": "reviewed", "pvcMountPath": "/workspace"},
    "overrides": {
        "profilingJob": {
            "template": {
                "spec": {
                    "hostNetwork": True,
                    "tolerations": TOLERATING,
                    "initContainers": [DEBUG],
                    "volumes": [{"name": "code", "persistentVolumeClaim": {"claimName": "reviewed"}}],
                }
            }
        },
        "dgd": {"metadata": {"labels": {"team": "a"}}},
    },
}
ANNOTATIONS = {
    "dgdr.nvidia.com/profiler": "image",
    "nvidia.com/dgdr-spec": '{"profilingConfig": {"configMapRef": {"name": "base"}}}',
}


@pytest.fixture
def made(people: People) -> str:
    """Name of a request that an administrator has made, with everything that takes rights."""
    name = f"made-{uuid.uuid4().hex[:8]}"
    people.admin.writes(WHOLE, ANNOTATIONS, name=name)
    return name


def annotated(**values: str | None) -> Any:
    return {"metadata": {"annotations": {key.replace("__", "/").replace("_", "."): v for key, v in values.items()}}}


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {"team": "b"}}},
        annotated(dgdr_nvidia_com__deploy="recommended"),
        annotated(dgdr_nvidia_com__retry="again"),
        {"spec": {"autoApply": False, "sla": {"ttft": 100}}},
        {"metadata": {"finalizers": ["example.com/kept"]}},
    ],
)
def test_editor_may_change_the_rest(people: People, made: str, change: Any) -> None:
    people.editor.changes(made, change)
    people.editor.changes(made, {"metadata": {"finalizers": None}})


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"overrides": None}},
        {"spec": {"overrides": {"profilingJob": None}}},
        {"spec": {"overrides": {"dgd": None}}},
        {
            "spec": {
                "overrides": {"profilingJob": {"template": {"spec": {"hostNetwork": None, "initContainers": None}}}}
            }
        },
        annotated(dgdr_nvidia_com__profiler=None),
        {"metadata": {"annotations": {"nvidia.com/dgdr-spec": None}}},
        {"spec": {"image": None}} | annotated(dgdr_nvidia_com__profiler=None),
        {"spec": {"image": NVIDIAS}} | annotated(dgdr_nvidia_com__profiler=None),
    ],
)
def test_editor_may_take_things_away(people: People, made: str, change: Any) -> None:
    people.editor.changes(made, change)


def pod(**spec: Any) -> Any:
    return {"spec": {"overrides": {"profilingJob": {"template": {"spec": spec}}}}}


JOBS, DEPLOYMENTS = "create jobs.batch", "create dynamographdeployments"
MORE = {
    "one thing more": (pod(hostPID=True), JOBS),
    "another container": (pod(initContainers=[DEBUG | {"image": "other"}]), JOBS),
    "a harmless part beside one that is not": (
        pod(volumes=[{"name": "code", "persistentVolumeClaim": {"claimName": "mine"}}]),
        JOBS,
    ),
    "what is mounted over programs": ({"spec": {"modelCache": {"pvcName": "mine"}}}, JOBS),
    "what its own profiler is": ({"spec": {"image": NVIDIAS}}, JOBS),
    "another profiler": (annotated(dgdr_nvidia_com__profiler="other"), JOBS),
    "the deployment": ({"spec": {"overrides": {"dgd": {"metadata": {"labels": {"team": "b"}}}}}}, DEPLOYMENTS),
    "the base": ({"metadata": {"annotations": {"nvidia.com/dgdr-spec": '{"configMapRef": 2}'}}}, DEPLOYMENTS),
    "another image": ({"spec": {"image": "evil/x:1"}} | annotated(dgdr_nvidia_com__profiler=None), DEPLOYMENTS),
}

BOTH = ("what its own profiler is", "another profiler")
"""What takes the right to create Jobs, and deployments too: another profiler makes these."""


@pytest.mark.parametrize("what", MORE)
def test_editor_may_not_change(people: People, made: str, refusal: Any, what: str) -> None:
    change, right = MORE[what]
    assert right in refusal(lambda: people.editor.changes(made, change)).message
    other, able = (people.deployer, people.runner) if right == JOBS else (people.runner, people.deployer)
    assert right in refusal(lambda: other.changes(made, change)).message
    if what in BOTH:
        assert DEPLOYMENTS in refusal(lambda: able.changes(made, change)).message
        able = people.admin
    able.changes(made, change)


def test_addition_to_a_plain_request_is_asked_about(people: People, refusal: Any) -> None:
    name = f"plain-{uuid.uuid4().hex[:8]}"
    people.editor.writes(name=name)
    changes = [{"spec": {"overrides": WHOLE["overrides"]}}, {"spec": {"image": "evil/x:1"}}]
    changes += [{"metadata": {"annotations": {key: value}}} for key, value in ANNOTATIONS.items()]
    for change in changes:
        assert refusal(lambda change=change: people.editor.changes(name, change)).code == 403
    people.editor.changes(name, pod(tolerations=TOLERATING))


def test_replacing_and_server_side_apply_are_changes_like_any_other(people: People, made: str, refusal: Any) -> None:
    stored = people.editor.send("GET", people.editor.path(made))
    stored["metadata"]["labels"] = {"team": "c"}
    stored = people.editor.send("PUT", people.editor.path(made), stored)
    stored["spec"]["overrides"]["profilingJob"]["template"]["spec"]["hostIPC"] = True
    assert refusal(lambda: people.editor.send("PUT", people.editor.path(made), stored)).code == 403
    fresh = {
        "apiVersion": stored["apiVersion"],
        "kind": stored["kind"],
        "spec": {"model": "m"} | pod(hostIPC=True)["spec"],
    }
    for name in (made, "applied"):
        path = f"{people.editor.path(name)}?fieldManager=me&force=true"
        applied = (fresh | {"metadata": {"name": name}}, "application/apply-patch+yaml")
        refused = refusal(lambda path=path, applied=applied: people.editor.send("PATCH", path, *applied))
        assert refused.code == 403


def test_controller_may_annotate_and_finish_whatever_there_is(people: People, made: str) -> None:
    controller = replace(people.editor, user=CONTROLLER)
    controller.changes(made, annotated(nvidia_com__generated_dgd_spec="{}", dgdr_nvidia_com__retried="1"))
    controller.changes(made, {"metadata": {"finalizers": ["dgdr.nvidia.com/kept"]}})
    status = {"status": {"phase": "Pending"}}
    controller.send("PATCH", f"{controller.path(made)}/status", status, MERGE_PATCH)
    people.editor.send("DELETE", people.editor.path(made))
    controller.changes(made, {"metadata": {"finalizers": None}})
