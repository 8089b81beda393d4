"""``kubectl logs`` through the API server and the virtual kubelet's server."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from hack.cluster.local import Local

pytestmark = pytest.mark.cluster


def test_logs_end_where_lines_are_counted(pods: Any, kubectl: Callable[..., str]) -> None:
    pods.create("p", "seq 5; exit 0", restartPolicy="Never")
    pods.ended("p")
    logs = ("-n", pods.namespace, "logs", "p")
    assert kubectl(*logs, "--tail=2") == "4\n5\n"
    assert kubectl(*logs, "--limit-bytes=3") == "1\n2"


def test_logs_are_followed_to_their_end(pods: Any, kubectl: Callable[..., str]) -> None:
    pods.create("p", "for i in 1 2 3; do echo $i; sleep 0.5; done", restartPolicy="Never")
    pods.wait("p", lambda pod: "running" in pods.state(pod), "it runs")
    assert kubectl("-n", pods.namespace, "logs", "-f", "p") == "1\n2\n3\n"


def test_logs_of_the_previous_run_are_kept(pods: Any, kubectl: Callable[..., str]) -> None:
    script = 'if test -e "$HOME/f"; then echo second; exec sleep 60; fi; touch "$HOME/f"; echo first; exit 1'
    pods.create("p", script)
    pods.wait("p", lambda pod: pods.status(pod).get("restartCount") and "running" in pods.state(pod), "it runs again")
    assert kubectl("-n", pods.namespace, "logs", "-p", "p") == "first\n"
    assert kubectl("-n", pods.namespace, "logs", "p", "--tail=1") == "second\n"


def test_logs_of_what_has_not_started_say_why(pods: Any, kubectl: Callable[..., str]) -> None:
    pods.create("p", container={"image": "other"})
    pods.waiting("p", "ImagePullBackOff")
    assert 'container "main" in pod "p" is waiting to start: ImagePullBackOff' in kubectl(
        "-n", pods.namespace, "logs", "p"
    )


@pytest.mark.parametrize(
    ("identity", "answer"),
    [(None, "CERTIFICATE_REQUIRED|EOF|reset|closed connection"), ("admin", "403"), ("scheduler", "403")],
)
def test_server_answers_the_api_server_alone(cluster: Local, identity: str | None, answer: str) -> None:
    pki = cluster.layout.certificates
    tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    if identity:
        tls.load_cert_chain(pki / f"{identity}.crt", pki / f"{identity}.key")
    port = json.loads((cluster.layout.root / "virtual-kubelet.json").read_text())["port"]
    with pytest.raises((urllib.error.URLError, OSError), match=answer):
        urllib.request.urlopen(f"https://127.0.0.1:{port}/containerLogs/a/b/c", context=tls, timeout=5)


def test_exec_is_refused_with_the_reason(pods: Any, kubectl: Callable[..., str]) -> None:
    pods.create("p", "exec sleep 60")
    pods.ready("p")
    assert "a virtual node does not support exec" in kubectl("-n", pods.namespace, "exec", "p", "--", "true")
