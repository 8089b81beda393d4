from pathlib import Path
from typing import Any

import pytest

from hack.virtual_kubelet.kubeconfig import content
from hack.virtual_kubelet.launch import ConfigurationError, ImageError, Launch, Sandbox, launch, program_of
from hack.virtual_kubelet.layout import PodFolder
from hack.virtual_kubelet.programs import Program, image_name
from hack.virtual_kubelet.sources import CONFIG_MAP, SECRET, Sources

PROGRAM = Program(("/venv/bin/dgdr",), "/venv/bin", "/opt/dgdr/bin", {"PYTHONUNBUFFERED": "1"})
POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "x"}},
    "spec": {"nodeName": "node1", "serviceAccountName": "sa"},
    "status": {"podIP": "127.64.0.1", "hostIP": "127.0.0.1"},
}
SOURCES = Sources({(CONFIG_MAP, "c"): {"a": b"1", "b": b"2"}, (SECRET, "s"): {"k": b"hidden"}})
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def started(**container: Any) -> Launch:
    sandbox = Sandbox(POD, PodFolder(Path("/pod")), {"v": "/volumes/v"}, SOURCES, "/root-of-cluster")
    return launch({"name": "main", "image": "i"} | container, PROGRAM, sandbox)


@pytest.mark.parametrize(
    ("container", "command"),
    [
        ({}, ("/venv/bin/dgdr",)),
        ({"args": ["manager"]}, ("/venv/bin/dgdr", "manager")),
        ({"command": ["python3"]}, ("python3",)),
        ({"command": ["/opt/dgdr/bin/python3"], "args": ["-V"]}, ("/venv/bin/python3", "-V")),
        ({"args": ["--at=$(IP):1"], "env": [{"name": "IP", "value": "h"}]}, ("/venv/bin/dgdr", "--at=h:1")),
    ],
)
def test_command_takes_the_place_of_the_entrypoint(container: dict[str, Any], command: tuple[str, ...]) -> None:
    assert started(**container).command == command


def test_paths_are_led_once() -> None:
    mounts = [{"name": "v", "mountPath": "/volumes"}]
    made = started(volumeMounts=mounts, env=[{"name": "F", "value": "/volumes/f"}], args=["$(F)", "--f=/volumes/g"])
    assert made.command[1:] == ("/volumes/v/f", "--f=/volumes/v/g")
    assert made.environment["F"] == "/volumes/v/f"


def test_sub_path_leads_into_the_volume() -> None:
    mounts = [{"name": "v", "mountPath": "/etc/one", "subPath": "inner/one"}]
    assert started(volumeMounts=mounts, args=["/etc/one"]).command[1] == "/volumes/v/inner/one"


def test_temporary_files_and_home_are_the_containers_own() -> None:
    own = started()
    assert own.environment["HOME"] == own.environment["TMPDIR"] == str(own.folder) == "/pod/tmp/main"
    mounted = started(volumeMounts=[{"name": "v", "mountPath": "/tmp"}])  # noqa: S108 - the container's
    assert mounted.environment["HOME"] == str(mounted.folder) == "/volumes/v"


def test_environment_of_the_image_comes_first() -> None:
    environment = started(env=[{"name": "PYTHONUNBUFFERED", "value": ""}]).environment
    assert environment["PATH"].startswith("/venv/bin:")
    assert environment["PYTHONUNBUFFERED"] == ""
    assert environment["DGDR_LOCAL_CLUSTER"] == "/root-of-cluster"
    assert environment["DGDR_CONTAINER"] == "u/main"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['app']", "x"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", "node1"),
        ("spec.serviceAccountName", "sa"),
        ("status.podIP", "127.64.0.1"),
        ("status.hostIP", "127.0.0.1"),
    ],
)
def test_field_of_the_pod_is_a_variable(path: str, value: str) -> None:
    made = started(env=[{"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}}])
    assert made.environment["V"] == value


def test_variables_come_from_objects_and_from_each_other() -> None:
    env = [
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "OPTIONAL", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}},
        {"name": "BOTH", "value": "$(K)-$(C_a)-$(LATER)"},
        {"name": "LATER", "value": "x"},
    ]
    sources = [{"prefix": "C_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "none", "optional": True}}]
    environment = started(env=env, envFrom=sources).environment
    assert environment["BOTH"] == "hidden-1-$(LATER)"
    assert environment["C_b"] == "2"
    assert "OPTIONAL" not in environment


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "none"}}]}, 'configmap "none" not found'),
        ({"valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}, 'secret "none" not found'),
        ({"valueFrom": {"configMapKeyRef": {"name": "c", "key": "z"}}}, "couldn't find key z in configmap n/c"),
        ({"valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}, "unsupported fieldPath: spec.x"),
        ({"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}, "does not support resourceFieldRef"),
    ],
)
def test_variable_that_cannot_be_set_is_named(container: dict[str, Any], message: str) -> None:
    if "valueFrom" in container:
        container = {"env": [{"name": "V"} | container]}
    with pytest.raises(ConfigurationError, match=message.replace("(", r"\(")):
        started(**container)


def test_service_account_becomes_a_kubeconfig() -> None:
    made = started(volumeMounts=[{"name": "v", "mountPath": ACCOUNT}])
    assert made.environment["KUBECONFIG"] == "/pod/containers/main/kubeconfig"
    assert "KUBECONFIG" not in started().environment
    told = content("/volumes/v", POD, "https://127.0.0.1:1")
    assert told["users"][0]["user"] == {"tokenFile": "/volumes/v/token"}
    assert told["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:1",
        "certificate-authority": "/volumes/v/ca.crt",
    }
    assert told["contexts"][0]["context"]["namespace"] == "n"


@pytest.mark.parametrize(
    "reference", ["localhost/a", "localhost/a:dev", "localhost/a@sha256:0", "localhost/a:dev@sha256:0"]
)
def test_image_is_looked_for_without_its_tag(reference: str) -> None:
    assert image_name(reference) == "localhost/a"
    assert program_of(reference, {"localhost/a": PROGRAM}) == PROGRAM


def test_image_keeps_the_port_of_its_registry() -> None:
    assert image_name("registry:5000/a") == "registry:5000/a"


def test_image_that_no_program_stands_for_is_named() -> None:
    with pytest.raises(ImageError, match=r'"nginx:1".*can run only a, b'):
        program_of("nginx:1", {"b": PROGRAM, "a": PROGRAM})
