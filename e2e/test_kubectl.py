"""What kubectl shows of a request, and a request as users of Dynamo 0.6 have it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_controller.settings import VERIFIED_DYNAMO_VERSION
from e2e.journey import Journey
from hack.cluster.api import Client
from hack.cluster.layout import CHECKOUT
from hack.cluster.local import Local
from hack.golden import golden
from hack.kubectl import kubectl

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = Path(CHECKOUT) / "config" / "samples"
VARIES = {
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ": "<time>",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<uid>",
    r"(?<=Resource Version:)( +)\d+": r"\1<version>",
    r"(?<= )(\d+m)?\d+s(?= |$)": "<age>",
    r" {2,}(?=<age>)": "  ",
    r"(?<=<age>) {2,}": "  ",
}


def masked(said: str, namespace: str) -> str:
    """What kubectl said, without what is different each time."""
    said = said.replace(namespace, "<namespace>")
    for pattern, stands_for in VARIES.items():
        said = re.sub(pattern, stands_for, said, flags=re.MULTILINE)
    lines = [line.rstrip() for line in said.splitlines()]
    events = lines.index("Events:") if "Events:" in lines else len(lines)
    # kubectl orders events by the second in which they were told, and makes columns as wide as the longest age.
    told = sorted(re.sub(r"(?<=\S) {2,}", "  ", line) for line in lines[events + 1 :] if "----" not in line)
    return "\n".join((*lines[: events + 1], *told)) + "\n"


def test_kubectl_shows_it_as_it_should_be_read(dynamo: Local, api: Client, namespace: str) -> None:
    """Read the files and see whether a user would understand; ``GOLDEN=write`` writes what kubectl says now."""
    kubectl(dynamo, "-n", namespace, "apply", "-f", str(SAMPLES / "qwen3-32b.yaml"))
    with Journey(api, namespace, "qwen3-32b") as journey:
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert journey.wait(lambda: "DeploymentReady" in journey.events())
        for command in ("get", "describe"):
            said = masked(kubectl(dynamo, "-n", namespace, command, "dgdr"), namespace)
            assert said == golden(GOLDEN / f"{command}.txt", said)
    api.request("DELETE", journey.graph_path)


def test_request_of_dynamo_0_6_is_profiled_and_read_back(api: Client, namespace: str) -> None:
    written: Any = yaml.safe_load((SAMPLES / "v1alpha1-dynamo-06.yaml").read_text(encoding="utf-8"))
    written["metadata"]["namespace"] = namespace
    written["spec"] |= {"model": "Qwen/Qwen3-32B", "autoApply": False}
    api.create(written)
    with Journey(api, namespace, written["metadata"]["name"]) as journey:
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        old = api.request("GET", journey.path.replace("v1beta1", "v1alpha1"))
        assert old["spec"] == written["spec"]
        status = journey.status()
        graph = status["profilingResults"]["selectedConfig"]
        assert status["generatedDeployment"] == graph == old["status"]["generatedDeployment"]
        images = {c["podTemplate"]["spec"]["containers"][0]["image"] for c in graph["spec"]["components"]}
        assert f"nvcr.io/nvidia/ai-dynamo/vllm-runtime:{VERIFIED_DYNAMO_VERSION}" in images
        assert all(image.endswith(f":{VERIFIED_DYNAMO_VERSION}") for image in images)
        (warning,) = (c["message"] for c in status["conditions"] if c["type"] == "ConfigurationWarning")
        assert "workersImage nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1 is of a Dynamo before 1.0" in warning
