"""Containers on a real API server and the virtual kubelet, with shells and Python for programs."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from hack.cluster.local import Local

pytestmark = pytest.mark.cluster

_LISTEN = "from http.server import *; import os; HTTPServer((os.environ['IP'], 8080), SimpleHTTPRequestHandler)"
IP = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def shared(namespace: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Fields of a container whose F is a file of a folder that outlives its pod, and the pod's volumes for it."""
    mounted = {"env": [{"name": "F", "value": "/s/f"}], "volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    return mounted, [{"name": "s", "hostPath": {"path": f"/{namespace}", "type": "DirectoryOrCreate"}}]


def served(script: str = f"{_LISTEN}.serve_forever()") -> dict[str, Any]:
    """A container that answers HTTP requests at its pod's address."""
    return {"name": "main", "image": "localhost/python:1", "args": ["-c", script], "env": [IP]}


@pytest.mark.parametrize(
    ("script", "code", "reason", "phase"),
    [
        ("exit 0", 0, "Completed", "Succeeded"),
        ("exit 3", 3, "Error", "Failed"),
        ("kill -TERM $$$$", 143, "Error", "Failed"),
        ("kill -KILL $$$$", 137, "Error", "Failed"),
    ],
)
def test_exit_code_is_the_process_or_signal(pods: Any, script: str, code: int, reason: str, phase: str) -> None:
    pods.create("p", script, restartPolicy="Never")
    pod = pods.ended("p")
    ended = pods.state(pod)["terminated"]
    assert (ended["exitCode"], ended["reason"], pod["status"]["phase"]) == (code, reason, phase)
    assert ended["startedAt"] <= ended["finishedAt"]
    assert pods.status(pod)["ready"] is False


def test_program_that_does_not_exist_is_a_start_error(pods: Any) -> None:
    pods.create("p", container={"command": ["/no/such/program"]}, restartPolicy="Never")
    ended = pods.state(pods.ended("p"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]


def test_termination_message_is_read_from_its_file_or_the_log(pods: Any) -> None:
    path = {"name": "WHY", "value": "/dev/termination-log"}
    pods.create("file", "echo said > $WHY; exit 1", container={"env": [path]}, restartPolicy="Never")
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    pods.create("log", "echo logged; exit 1", container=fallback, restartPolicy="Never")
    pods.create("none", "echo logged; exit 0", container=fallback, restartPolicy="Never")
    messages = [pods.state(pods.ended(name))["terminated"].get("message") for name in ("file", "log", "none")]
    assert messages == ["said\n", "logged\n", None]


def test_restarts_back_off(pods: Any) -> None:
    pods.create("p", "exit 1")
    pod = pods.waiting("p", "CrashLoopBackOff")
    status = pods.status(pod)
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 1)
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main")
    assert pod["status"]["phase"] == "Running"
    pods.event("p", "BackOff: Back-off restarting failed container main")


def test_restart_policy_on_failure_restarts_failures_alone(pods: Any) -> None:
    script = 'test -e "$F" && exit 0; touch "$F"; exit 1'
    scratch = {"env": [{"name": "F", "value": "/s/once"}], "volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    pods.create("p", script, container=scratch, volumes=[{"name": "s", "emptyDir": {}}], restartPolicy="OnFailure")
    pod = pods.ended("p")
    assert (pod["status"]["phase"], pods.status(pod)["restartCount"]) == ("Succeeded", 1)


def test_init_containers_run_in_order_before_the_main_ones(pods: Any, kubectl: Callable[..., str]) -> None:
    mounted = {"env": [{"name": "F", "value": "/s/f"}], "volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    inits = [pods.shell(name, f'sleep 0.3; echo {name} >> "$F"', **mounted) for name in ("one", "two")]
    main = pods.shell("main", 'cat "$F"', **mounted)
    volumes = [{"name": "s", "emptyDir": {}}]
    pods.create("p", initContainers=inits, containers=[main], volumes=volumes, restartPolicy="Never")
    assert pods.ended("p")["status"]["phase"] == "Succeeded"
    assert kubectl("-n", pods.namespace, "logs", "p", "-c", "main") == "one\ntwo\n"


def test_init_container_that_fails_ends_the_pod(pods: Any) -> None:
    pods.create("p", "exit 0", initContainers=[pods.shell("one", "exit 4")], restartPolicy="Never")
    pod = pods.ended("p")
    assert pod["status"]["phase"] == "Failed"
    assert pods.state(pod, "main") == {"waiting": {"reason": "PodInitializing"}}


def test_sidecars_start_before_and_end_after_the_main_containers(pods: Any, cluster: Local) -> None:
    mounted, volumes = shared(pods.namespace)
    stay = 'trap \'echo "{0} ends" >> "$F"; exit 0\' TERM; echo "{0} starts" >> "$F"; while :; do sleep 0.1; done'
    sidecars = [pods.shell(name, stay.format(name), restartPolicy="Always", **mounted) for name in ("one", "two")]
    for sidecar in sidecars:  # ready before the next one starts, so that the order of the lines says all
        sidecar["startupProbe"] = {"exec": {"command": ["sh", "-c", f'grep "{sidecar["name"]} starts" "$F"']}} | {
            "periodSeconds": 1
        }
    main = pods.shell("main", 'sleep 0.5; echo "main ends" >> "$F"', **mounted)
    pods.create("p", initContainers=sidecars, containers=[main], volumes=volumes, restartPolicy="Never")
    pod = pods.ended("p")
    assert pod["status"]["phase"] == "Succeeded"
    assert all("terminated" in pods.state(pod, name) for name in ("one", "two"))
    told = (cluster.layout.root / "host" / pods.namespace / "f").read_text().splitlines()
    assert told == ["one starts", "two starts", "main ends", "two ends", "one ends"]


def test_readiness_follows_its_probe(pods: Any) -> None:
    probe = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1}
    container = served() | {"readinessProbe": probe, "ports": [{"name": "web", "containerPort": 8080}]}
    pods.create("p", containers=[container])
    pod = pods.ready("p")
    assert pods.status(pod)["ready"] is True
    assert {c["type"] for c in pod["status"]["conditions"] if c["status"] == "True"} == {
        *("PodScheduled", "PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")
    }


def test_addresses_let_pods_use_the_same_port(pods: Any) -> None:
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    for name in ("one", "two"):
        pods.create(name, containers=[served() | {"readinessProbe": probe}])
    addresses = {pods.ready(name)["status"]["podIP"] for name in ("one", "two")}
    assert len(addresses) == 2


def test_liveness_failure_restarts_the_container(pods: Any) -> None:
    probe = {"exec": {"command": ["sh", "-c", "exit 1"]}, "periodSeconds": 1, "failureThreshold": 2}
    pods.create("p", "exec sleep 60", container={"livenessProbe": probe})
    pod = pods.wait("p", lambda pod: pods.status(pod).get("restartCount"), "it was restarted")
    assert pods.status(pod)["lastState"]["terminated"]["exitCode"] == 143
    pods.event("p", "Killing: Container main failed liveness probe, will be restarted")
    pods.event("p", "Unhealthy: Liveness probe failed")


def test_startup_probe_holds_the_others_back(pods: Any) -> None:
    startup = {"exec": {"command": ["sh", "-c", 'test -e "$HOME/started"']}, "periodSeconds": 1, "failureThreshold": 30}
    liveness = {"exec": {"command": ["test", "-e", "/tmp/started"]}, "periodSeconds": 1, "failureThreshold": 1}  # noqa: S108 - the container's
    script = 'sleep 2; touch "$HOME/started"; exec sleep 60'
    pods.create("p", script, container={"startupProbe": startup, "livenessProbe": liveness})
    pods.wait("p", lambda pod: "running" in pods.state(pod), "it runs")
    assert pods.status(pods.get("p"))["started"] is False
    pod = pods.ready("p")
    assert (pods.status(pod)["started"], pods.status(pod)["restartCount"]) == (True, 0)


def test_deletion_lets_containers_end_by_themselves(pods: Any, cluster: Local) -> None:
    mounted, volumes = shared(pods.namespace)
    script = "trap 'sleep 0.5; echo bye > \"$F\"; exit 0' TERM; while :; do sleep 0.1; done"
    pods.create("p", script, container=mounted, volumes=volumes)
    pods.ready("p")
    pods.delete("p")
    pods.wait("p", lambda pod: not pod, "it is gone")
    assert (cluster.layout.root / "host" / pods.namespace / "f").read_text() == "bye\n"


def test_deletion_kills_after_the_grace_period(pods: Any) -> None:
    pods.create("p", "trap '' TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=60)
    pods.ready("p")
    begun = time.monotonic()
    pods.delete("p", grace=1)
    pods.wait("p", lambda pod: not pod, "it is gone")
    assert 1 <= time.monotonic() - begun < 10


def test_deletion_calls_the_pre_stop_hook_first(pods: Any, cluster: Local) -> None:
    mounted, volumes = shared(pods.namespace)
    hook = {"preStop": {"exec": {"command": ["sh", "-c", 'echo hook > "$F"']}}}
    script = "trap 'echo signal >> \"$F\"; exit 0' TERM; while :; do sleep 0.1; done"
    pods.create("p", script, container=mounted | {"lifecycle": hook}, volumes=volumes)
    pods.ready("p")
    pods.delete("p")
    pods.wait("p", lambda pod: not pod, "it is gone")
    assert (cluster.layout.root / "host" / pods.namespace / "f").read_text() == "hook\nsignal\n"


def test_deadline_ends_the_pod(pods: Any) -> None:
    pods.create("p", "exec sleep 60", activeDeadlineSeconds=1)
    pod = pods.ended("p")
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")


@pytest.mark.parametrize(("policy", "reason"), [("Never", "ErrImageNeverPull"), ("Always", "ImagePullBackOff")])
def test_image_that_no_program_stands_for_is_named(pods: Any, policy: str, reason: str) -> None:
    pods.create("p", container={"image": "registry.example/other:1", "imagePullPolicy": policy})
    message = pods.state(pods.waiting("p", reason))["waiting"]["message"]
    assert 'image "registry.example/other:1"' in message
    assert "can run only localhost/dgdr-controller" in message


def test_variable_whose_source_is_missing_is_waited_for(pods: Any) -> None:
    source = {"configMapKeyRef": {"name": "later", "key": "k"}}
    pods.create("p", 'test "$K" = v', container={"env": [{"name": "K", "valueFrom": source}]}, restartPolicy="Never")
    pods.waiting("p", "CreateContainerConfigError")
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later", "namespace": pods.namespace}}
    pods.api.create(manifest | {"data": {"k": "v"}})
    assert pods.ended("p")["status"]["phase"] == "Succeeded"


def test_environment_of_the_user_stays_out(pods: Any, kubectl: Callable[..., str]) -> None:
    pods.create("p", "env", restartPolicy="Never")
    pods.ended("p")
    names = {line.partition("=")[0] for line in kubectl("-n", pods.namespace, "logs", "p").splitlines()}
    own = {"PATH", "HOME", "TMPDIR", "HOSTNAME", "KUBECONFIG", "DGDR_LOCAL_CLUSTER", "DGDR_CONTAINER"}
    assert names - own <= {"PWD", "SHLVL", "_", "OLDPWD"}


def test_job_ends_with_its_pod(pods: Any, kubectl: Callable[..., str]) -> None:
    template = {"spec": {"containers": [pods.shell("main", "exit 0")], "restartPolicy": "Never"}}
    metadata = {"name": "j", "namespace": pods.namespace}
    pods.api.request(
        "POST",
        f"/apis/batch/v1/namespaces/{pods.namespace}/jobs",
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}},
    )
    assert "condition met" in kubectl("-n", pods.namespace, "wait", "--for=condition=complete", "job/j")
    kubectl("-n", pods.namespace, "delete", "job", "j")
    assert json.loads(kubectl("-n", pods.namespace, "get", "pods", "-o", "json"))["items"] == []
