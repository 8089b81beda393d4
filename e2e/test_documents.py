"""The commands of the documents, run as a reader runs them: page by page, in their order, in one terminal each."""

import json
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.journey import Journey
from e2e.terminal import ClusterTerminal, Done
from hack.cluster.api import Client
from hack.cluster.fixtures import lacking
from hack.cluster.local import Local
from hack.cluster.progress import UnavailableError
from hack.commands import (
    ABOUT_A_REQUEST,
    PAGES,
    PLANNING,
    RUN,
    TUTORIAL,
    WITHOUT_PODS,
    Block,
    blocks,
    files,
    manifests,
    missing_lines,
    texts,
)
from hack.demo.show import verdict
from hack.kubectl import environment
from hack.setup import debian
from hack.setup.debian import Purpose

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]


@pytest.fixture
def terminal(dynamo: Local, api: Client, namespace: str, kubectl_program: str, tmp_path: Path) -> ClusterTerminal:
    try:
        debian.check(Purpose.DOCUMENTS)
    except UnavailableError as error:
        lacking(str(error))
    config = yaml.safe_load(dynamo.kubeconfig.read_text(encoding="utf-8"))
    for context in config["contexts"]:
        context["context"]["namespace"] = namespace
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "kubeconfig").chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = environment(dynamo) | {
        "PATH": f"{Path(kubectl_program).parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "DGDR_KUBECONFIG": str(tmp_path / "kubeconfig"),  # the cluster that make is about
        "KUBECACHEDIR": str(tmp_path / "kubectl"),
        "HF_TOKEN": "hf-example",
        "HF_HUB_OFFLINE": "1",
    }
    terminal = ClusterTerminal(tmp_path, variables, port, api=api, namespace=namespace)
    terminal.prepare()
    return terminal


def walk(terminal: ClusterTerminal, *pages: Path) -> None:
    """Run all that is run of pages, and look at what it writes."""
    for page in pages:
        terminal.write(files(page))
        for block in blocks(page):
            if block.script and (block.needs_cluster or page not in PLANNING):
                until = next((word for words, word in WATCHED.items() if words in block.script), "")
                done = terminal.run(block.script, until)
                for words, check in CHECKS.items():
                    if words in block.script:
                        check(terminal, block, done)


# --- What the tutorial shows


def _deployed_as_shown(terminal: ClusterTerminal, block: Block, _: Done) -> None:
    with Journey(terminal.api, terminal.namespace, "qwen3-32b") as journey:
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
    shown = [line.split()[2] for line in block.output if re.match(r" +[\d.]+ s  ", line)]
    assert [phase for phase in dict.fromkeys(shown) if phase in journey.phases] == journey.phases
    assert f"Chosen: {verdict(terminal.object('dynamographdeploymentrequests/qwen3-32b'))}" in block.output


def _kubeconfig_leads_to_the_cluster(terminal: ClusterTerminal, _: Block, __: Done) -> None:
    assert terminal.run("kubectl get nodes").stdout


def _conditions_of_the_tutorial(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert missing_lines(texts(TUTORIAL)[0], done.stdout) == []


def _arguments_of_the_worker(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert "pod/qwen3-32b-dgd-frontend-" in done.stdout
    assert "- --tensor-parallel-size\n" in done.stdout


def _answer(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert '"completion_tokens":20' in done.stdout.replace(" ", "")


def _deployment_stays(terminal: ClusterTerminal, _: Block, done: Done) -> None:
    assert "qwen3-32b-dgd" in done.stdout.splitlines()[-1]
    assert terminal.names("dynamographdeploymentrequests") == []


def _candidates(_: ClusterTerminal, __: Block, done: Done) -> None:
    line = re.compile(r"(vllm|sglang|trtllm)-\S+  .*tp\d.*  [\d.]+ tokens/s/GPU  TTFT [\d.]+ ms  ITL [\d.]+ ms")
    lines = done.stdout.splitlines()
    assert len(lines) > 3
    assert all(line.fullmatch(text) for text in lines), lines


def _generated(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert yaml.safe_load(done.stdout)["kind"] == "DynamoGraphDeployment"


def _other_candidate(terminal: ClusterTerminal, _: Block, done: Done) -> None:
    assert re.search(r"\bDeploying\b.*\bDeployed\b", done.stdout, re.DOTALL)
    assert terminal.object("dynamographdeploymentrequests/look-first")["spec"]["autoApply"] is False


def _models(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert '"Qwen/Qwen3-32B"' in done.stdout


# --- What pages about a request show


def _healthy(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert missing_lines(["Message: Deployment is healthy", "Status: True", "Type: Succeeded"], done.stdout) == []


def _all_conditions(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert "Succeeded=True Deployed: Deployment is healthy\n" in done.stdout


def _what_was_made(_: ClusterTerminal, __: Block, done: Done) -> None:
    names = ("job.batch/profile-my-model ", "configmap/dgdr-output-my-model ", "/my-model-dgd ")
    assert [name for name in names if name not in done.stdout] == []


def _results(terminal: ClusterTerminal, _: Block, done: Done) -> None:
    first, *_rest = terminal.object("dynamographdeploymentrequests/my-model")["status"]["profilingResults"]["pareto"]
    printed = done.stdout or (terminal.folder / "results.json").read_text(encoding="utf-8")
    assert json.loads(printed)["selected"] == first["id"]


def _ids(terminal: ClusterTerminal, _: Block, done: Done) -> None:
    found = terminal.object("dynamographdeploymentrequests/my-model")["status"]["profilingResults"]["pareto"]
    assert [line.split()[0] for line in done.stdout.splitlines()] == [candidate["id"] for candidate in found]


def _leader(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert done.stdout.splitlines()[-1].startswith("dgdr-controller-")


def _annotated(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert "my-model annotated" in done.stdout


# --- What planning shows


def _planned_and_applied(terminal: ClusterTerminal, block: Block, done: Done) -> None:
    assert re.search(r"/my-model-dgd (created|configured|unchanged)\n", done.stdout)
    assert terminal.names("dynamographdeployments") == ["my-model-dgd"]
    page = re.search(r"--report (\S+)", block.script)
    assert not page or (terminal.folder / page[1]).exists()


def _in_a_script(_: ClusterTerminal, __: Block, done: Done) -> None:
    performance, end = json.JSONDecoder().raw_decode(done.stdout)
    assert performance["ttft"] > 0
    assert "/my-model-dgd " in done.stdout[end:]


def _conversion(_: ClusterTerminal, __: Block, done: Done) -> None:
    assert done.stdout == "dgdr-webhook-service"


def _saved(terminal: ClusterTerminal, _: Block, __: Done) -> None:
    assert yaml.safe_load((terminal.folder / "requests.yaml").read_text(encoding="utf-8"))["kind"] == "List"


CHECKS: Mapping[str, Callable[[ClusterTerminal, Block, Done], None]] = {
    "kubectl apply -f config/samples/qwen3-32b.yaml": _deployed_as_shown,
    "make -s kubeconfig": _kubeconfig_leads_to_the_cluster,
    "kubectl describe dgdr qwen3-32b": _conditions_of_the_tutorial,
    "kubectl get dgd,pods": _arguments_of_the_worker,
    "v1/chat/completions": _answer,
    "kubectl delete dgdr qwen3-32b": _deployment_stays,
    "{.throughputPerGpu} tokens/s/GPU": _candidates,
    "generated-dgd-spec": _generated,
    'dgdr.nvidia.com/deploy="$ID"': _other_candidate,
    "v1/models": _models,
    "kubectl describe dgdr my-model": _healthy,
    "{range .status.conditions[*]}": _all_conditions,
    "kubectl get job,configmap,dgd": _what_was_made,
    r"{.binaryData.results\.json\.gz}": _results,
    "{.id}  {.backend}": _ids,
    "{.spec.holderIdentity}": _leader,
    "kubectl annotate dgdr my-model": _annotated,
    "kubectl apply -f out/dgd.yaml": _planned_and_applied,
    "| jq": _in_a_script,
    "{.spec.conversion.": _conversion,
    "> requests.yaml": _saved,
}
"""What is asserted of a block that has these words."""
WATCHED = {"kubectl apply -f config/samples/look-first.yaml": "Ready", 'dgdr.nvidia.com/deploy="$ID"': "Deployed"}
"""The phase at which a reader ends a watch."""


def test_what_is_asserted_belongs_to_a_block() -> None:
    scripts = [block.script for page in RUN for block in blocks(page)]
    assert [words for words in (*CHECKS, *WATCHED) if not any(words in script for script in scripts)] == []


def test_tutorial_leads_to_a_deployment_and_leaves_nothing(terminal: ClusterTerminal) -> None:
    walk(terminal, TUTORIAL)
    assert terminal.names("dynamographdeploymentrequests") == []
    assert terminal.names("dynamographdeployments") == []


def test_pages_about_a_request_show_what_there_is_of_it(terminal: ClusterTerminal) -> None:
    terminal.run("kubectl apply -f my-model.yaml")
    with Journey(terminal.api, terminal.namespace, "my-model") as journey:
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
    try:
        walk(terminal, *ABOUT_A_REQUEST)
    finally:
        terminal.run("kubectl delete clusterrolebinding dgdr-metrics-reader --ignore-not-found")
        terminal.run("kubectl delete dgd my-model-dgd")


def test_pages_that_install_and_look_are_right(terminal: ClusterTerminal) -> None:
    """No pod is made for what is deployed here: GPUs stay free."""
    quota = {"metadata": {"name": "none", "namespace": terminal.namespace}, "spec": {"hard": {"pods": "0"}}}
    terminal.api.create({"apiVersion": "v1", "kind": "ResourceQuota"} | quota)
    walk(terminal, *WITHOUT_PODS, *PLANNING)


def requests_of(page: Path) -> list[Any]:
    """Return the requests that a page shows; of one that is shown in part, the rest is that of a short one."""
    head: dict[str, Any] = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest"}
    found = [
        head | manifest
        for manifest in map(yaml.safe_load, manifests(page))
        if isinstance(manifest, dict) and "spec" in manifest
    ]
    return [
        manifest
        | {
            "metadata": {"name": f"{page.stem.lower()}-{number}"},
            "spec": {"model": "Qwen/Qwen3-32B"} | manifest["spec"],
        }
        for number, manifest in enumerate(found)
        if manifest["kind"] == head["kind"]
    ]


def test_requests_that_pages_show_are_taken(terminal: ClusterTerminal) -> None:
    requests = [request for page in PAGES for request in requests_of(page)]
    (terminal.folder / "requests.yaml").write_text(yaml.safe_dump_all(requests), encoding="utf-8")
    done = terminal.run("kubectl create --dry-run=server --validate=strict -f requests.yaml")
    assert len(done.stdout.splitlines()) == len(requests) > 10
