"""Every command of ``kubectl dgdr`` as a process, with the real kubectl, the real controller and a kubeconfig."""

import base64
import gzip
import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.journey import Journey
from e2e.measured_model import spec
from e2e.plugin import Plugin
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.local import Local

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]


@pytest.fixture
def dgdr(installed: Local, namespace: str, tmp_path: Path) -> Plugin:
    return Plugin(installed, namespace, tmp_path)


def test_request_is_applied_looked_at_and_deployed(dgdr: Plugin, api: Client, namespace: str) -> None:
    with Journey(api, namespace, "my-model") as journey:
        applied = dgdr("apply", "-f", dgdr.file("my-model", autoApply=False), "-w")
        assert applied.returncode == 0, applied.stderr
        assert "Profiling (" in applied.stderr
        assert "\nReady: Profiling complete, spec available\n" in applied.stderr
        status = dgdr.shown("status", "my-model", "-w")
        assert status == applied.stdout

        rows = json.loads(dgdr.shown("candidates", "my-model", "-o", "json"))
        chosen, other = rows[0]["id"], next(row["id"] for row in rows if row["verdict"]["outcome"] == "alternative")
        loser = next(row["id"] for row in rows if row["verdict"]["outcome"] == "dominated")
        assert f"Candidate:    {chosen} (" in status
        table = dgdr.shown("candidates", "my-model", "-o", "wide").splitlines()
        assert len(table) == len(rows) + 1
        assert table[1].split()[:2] == [chosen, "→"]
        assert table[1].rstrip().endswith(rows[0]["verdict"]["reason"])

        assert f"The winner, {rows[0]['backend']} " in dgdr.shown("explain", "my-model")
        assert f"({loser}) was not chosen: dominated, " in dgdr.shown("explain", "my-model", loser)
        compared = dgdr.shown("compare", "my-model", chosen, other)
        assert "*  TTFT ms" in compared
        assert f"-    dgdr.nvidia.com/candidate: {chosen}\n+    dgdr.nvidia.com/candidate: {other}\n" in compared

        annotations = api.request("GET", journey.path)["metadata"]["annotations"]
        assert dgdr.shown("export", "my-model") == annotations["nvidia.com/generated-dgd-spec"]
        done = dgdr.kubectl("apply", "--dry-run=server", "-f", "-", stdin=dgdr.shown("export", "my-model", loser))
        assert done.stdout == "dynamographdeployment.nvidia.com/my-model-dgd created (server dry run)\n", done.stderr
        for version in ("v1beta1", "v1alpha1"):
            dgdr.shown("export", "my-model", loser, "--dgd-version", version, "-o", "dgd.yaml")
            assert yaml.safe_load((dgdr.folder / "dgd.yaml").read_text())["apiVersion"] == f"nvidia.com/{version}"

        completed = dgdr.kubectl("__complete", "dgdr", "deploy", "-n", namespace, "my-model", other).stdout
        assert completed.splitlines()[0].startswith(f"{other}\t")
        assert completed.splitlines()[-1] == ":4"
        assert "Done: " in dgdr.shown("logs", "my-model", "-f")

        assert "Nobody can answer, as standard input is no terminal: use --yes" in dgdr.refused("deploy", "my-model")
        assert f"on {rows[0]['gpus']} × h200_sxm GPU" in dgdr.refused("deploy", "my-model")
        assert dgdr.refused("deploy", "my-model", f"{chosen[:-1]}x", "--yes").startswith(
            f'Request my-model has no candidate {chosen[:-1]}x; did you mean "{chosen}"?'
        )
        assert journey.status()["phase"] == "Ready"
        deployed = dgdr("deploy", "my-model", other, "--yes", "-w")
        assert deployed.returncode == 0, deployed.stderr
        assert f"Candidate:    {other} (" in deployed.stdout
        assert journey.phases[-2:] == ["Deploying", "Deployed"]
        assert len(journey.graphs) == 1
        assert journey.get(journey.graph_path)["metadata"]["annotations"]["dgdr.nvidia.com/candidate"] == other
        assert dgdr.refused("deploy", "my-model", chosen, "--yes").startswith("Request my-model is deployed already: ")
        assert dgdr.refused("retry", "my-model").startswith("Request my-model has not failed (phase Deployed): ")

        # As the plugin advises whoever wants another candidate after all.
        dgdr.shown("export", "my-model", chosen, "-o", "dgd.yaml")
        api.request("DELETE", journey.path)
        replaced = dgdr.kubectl("apply", "-f", "dgd.yaml")
        assert replaced.returncode == 0, replaced.stderr
        assert journey.get(journey.graph_path)["metadata"]["annotations"]["dgdr.nvidia.com/candidate"] == chosen
        assert len(journey.graphs) == 1
    api.request("DELETE", journey.graph_path)


def test_planner_is_exported_with_what_it_mounts(dgdr: Plugin, api: Client, namespace: str) -> None:
    features = {"planner": {"optimization_target": "sla"}}
    file = dgdr.file("planned", autoApply=False, features=features, sla={"ttft": 500, "itl": 30})
    assert dgdr("apply", "-f", file, "-w").returncode == 0
    annotations = api.request("GET", Journey(api, namespace, "planned").path)["metadata"]["annotations"]
    exported = dgdr.shown("export", "planned")
    assert exported == annotations["nvidia.com/generated-dgd-spec"]
    kinds = [document["kind"] for document in yaml.safe_load_all(exported)]
    assert kinds[-1] == "DynamoGraphDeployment"
    assert "ConfigMap" in kinds
    assert dgdr.kubectl("apply", "--dry-run=server", "-f", "-", stdin=exported).returncode == 0


def test_page_is_served_to_this_machine_alone(dgdr: Plugin, namespace: str) -> None:
    assert dgdr("apply", "-f", dgdr.file("seen", autoApply=False), "-w").returncode == 0
    dgdr.shown("open", "seen", "--no-browser", "--output", "page.html")
    page = (dgdr.folder / "page.html").read_bytes()
    assert b"<title>Qwen/Qwen3-32B on 2 \xc3\x97 h200_sxm</title>" in page
    command = ["kubectl", "dgdr", "open", "-n", namespace, "seen", "--no-browser"]
    with subprocess.Popen(command, env=dgdr.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split(" on ")[1].split()[0]
        asking = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert asking.open(url).read() == page
        foreign = urllib.request.Request(url, headers={"Host": "elsewhere.example"})
        with pytest.raises(urllib.error.HTTPError) as rejected:
            asking.open(foreign)
        assert rejected.value.code == 421
        rejected.value.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_request_that_fails_is_one_exit_code_and_starts_again(dgdr: Plugin, api: Client, namespace: str) -> None:
    file = dgdr.file("too-large", hardware={"gpuSku": "l4", "totalGpus": 1})
    with Journey(api, namespace, "too-large") as journey:
        failed = dgdr("apply", "-f", file, "-w")
        assert failed.returncode == 1
        assert "Message:   Profiling failed: Qwen/Qwen3-32B does not fit on 1 × l4" in failed.stdout
        assert dgdr.refused("candidates", "too-large").startswith("Profiling of too-large has ended without results (")
        assert dgdr.refused("deploy", "too-large", "--yes") == (
            "Request too-large has failed: kubectl dgdr retry too-large starts it again"
        )
        assert dgdr.refused("verify", "too-large").startswith("Request too-large has failed and has no deployment")
        before = len(journey.phases)
        assert dgdr.shown("retry", "too-large").startswith("Request too-large starts again")
        assert journey.wait(lambda: len(journey.phases) > before)


def test_time_limit_and_interrupt_leave_the_request_alone(dgdr: Plugin, api: Client, namespace: str) -> None:
    claim = {"modelCache": {"pvcName": "not-there"}}
    with Journey(api, namespace, "waiting") as journey:
        late = dgdr("apply", "-f", dgdr.file("waiting", **claim), "-w", "--timeout", "5s")
        assert late.returncode == 124
        assert "PersistentVolumeClaim not-there" in late.stderr
        assert late.stderr.endswith(
            "Error: Not done after 5 s; request waiting goes on; kubectl dgdr status waiting -w follows it\n"
        )
        stopped = dgdr.interrupted(journey, "status", "waiting", "-w")
        assert stopped.returncode == 130
        assert stopped.stderr.split("\n")[-4:-1] == [
            "Stopped following; request waiting goes on; kubectl dgdr status waiting -w follows it",
            "",
            "Error: interrupted",
        ]
        assert dgdr.refused("candidates", "waiting").startswith("Request waiting has no results yet (phase Pending): ")
        assert dgdr.refused("logs", "waiting").startswith(
            "Job profile-waiting has no pods with a log (it has not begun yet)."
        )
        assert journey.status()["phase"] == "Pending"
        with subprocess.Popen(
            ["kubectl", "dgdr", "status", "-n", namespace, "waiting", "-w"],
            env=dgdr.environment, stderr=subprocess.PIPE, text=True,
        ) as watching:  # fmt: skip
            assert watching.stderr
            watching.stderr.readline()
            api.request("DELETE", journey.path)
            assert watching.communicate(timeout=30)[1] == "Error: Request waiting was deleted\n"
        assert watching.returncode == 1


def test_results_that_cannot_be_read_are_one_sentence(dgdr: Plugin, api: Client, namespace: str) -> None:
    assert dgdr("apply", "-f", dgdr.file("spoilt", autoApply=False), "-w").returncode == 0
    path = f"/api/v1/namespaces/{namespace}/configmaps/dgdr-output-spoilt"
    stored: Any = api.request("GET", path)
    packed = stored["binaryData"]["results.json.gz"]

    def spoil(**change: Any) -> str:
        api.request("PATCH", path, change, MERGE_PATCH)
        return dgdr.refused("candidates", "spoilt")

    newer = json.loads(gzip.decompress(base64.b64decode(packed))) | {"schemaVersion": "results.dgdr.nvidia.com/v9"}
    text = base64.b64encode(gzip.compress(json.dumps(newer).encode())).decode()
    sentence = spoil(binaryData={"results.json.gz": text})
    assert "schemaVersion: Input should be 'results.dgdr.nvidia.com/v1'" in sentence
    assert "Use the plugin of the controller's version" in sentence
    half = base64.b64encode(base64.b64decode(packed)[: len(packed) // 3]).decode()
    assert "the published results cannot be read: Compressed file ended before" in spoil(
        binaryData={"results.json.gz": half}
    )
    assert "holds nothing that a profiling Job has published" in spoil(data={"profiler_status": None})
    api.request("DELETE", path)
    assert dgdr.refused("export", "spoilt").startswith(
        "ConfigMap dgdr-output-spoilt with the results of spoilt does not exist: delete the request"
    )


def test_login_by_a_program_and_missing_rights(dgdr: Plugin) -> None:
    assert dgdr("apply", "-f", dgdr.file("secret", autoApply=False), "-w").returncode == 0
    reader = dgdr.of_a_reader()
    assert "Phase:        Ready" in reader.shown("status", "secret")
    assert reader.refused("candidates", "secret").startswith(
        f'configmaps "dgdr-output-secret" is forbidden: User "system:serviceaccount:{dgdr.namespace}:reader" cannot get'
    )
    assert "cannot patch resource" in reader.refused("verify", "secret")
    (dgdr.folder / "login").write_text("#!/bin/sh\necho no session >&2\nexit 1\n")
    assert "Process exited with non-zero code 1: no session" in reader.refused("status", "secret")


def test_cluster_that_is_not_there_is_named(dgdr: Plugin) -> None:
    assert dgdr.refused("status", "none").startswith(
        f"DynamoGraphDeploymentRequest none does not exist in namespace {dgdr.namespace}: "
    )
    assert "is no name" in dgdr.refused("status", "../configmaps/x", code=2)
    assert "(No such context elsewhere)" in dgdr.refused("status", "none", "--context", "elsewhere")
    config: Any = yaml.safe_load(dgdr.cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (dgdr.folder / "away").write_text(yaml.safe_dump(config))
    assert dgdr.refused("status", "none", "--kubeconfig", "away").startswith(
        "The API server at https://127.0.0.1:1 does not answer ("
    )
    (dgdr.folder / "empty").write_text("")
    assert "(it is empty or incomplete)" in dgdr.refused("status", "none", "--kubeconfig", "empty")


@pytest.mark.usefixtures("measurer", "engines")
def test_deployment_is_verified(dgdr: Plugin, api: Client, namespace: str, claim: str) -> None:
    asked = spec(claim) | {"sla": {"optimizationType": "latency"}}  # one request in flight
    with Journey(api, namespace, "verified") as journey:
        applied = dgdr("apply", "-f", dgdr.file("verified", **asked), "-w")
        assert applied.returncode == 0, applied.stderr
        assert dgdr.refused("verify", "verified", "--for", "5s", code=2).endswith(
            'must be a duration from "10s" to "60m", or "0s" for none'
        )
        measured = dgdr("verify", "verified", "--for", "10s", "-w", "--timeout", "5m")
        # Two H200 are estimated at a fraction of what these engines take for a token.
        assert measured.returncode == 1, measured.stderr
        assert measured.stdout.startswith("WorseThanPlanned: Measured ")
        assert "Verified:     False, WorseThanPlanned: " in dgdr.shown("status", "verified")
        assert dgdr.shown("verify", "verified", "--for", "10s").startswith("The deployment of verified is measured: ")
        assert journey.wait(lambda: journey.condition("PerformanceVerified").get("reason") == "VerificationRunning")
        assert journey.status()["phase"] == "Deployed"
        api.request("DELETE", journey.path)
