import asyncio
import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api.trials import MeasuredPoint, TrialLog, TrialReport, TrialState, TrialStatus
from dgdr_controller.kinds import CONFIG_MAPS
from dgdr_controller.profiler.measurement.trial_files import TrialFiles
from dgdr_controller.profiling_job import publisher, source
from dgdr_controller.profiling_job.output import trial_status
from dgdr_controller.profiling_job.source import Source
from dgdr_controller.runtime import Client, Key
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time
from hack.cluster.api import MERGE_PATCH
from hack.cluster.api import Client as ClusterClient
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level

RUNNING = {"status": "running", "phase": "SweepingDecode", "message": "vllm", "completed": 1, "total": 2}
SUCCESS = {"status": "success", "phase": "Done", "message": "done", "exitCode": 0}
REFUSED = {"status": "failed", "phase": "Initializing", "message": "no", "error": "no", "exitCode": 65}


def tell(folder: Path, status: dict[str, Any], results: str = "", trials: str = "") -> None:
    """Write as the profiler does: the status last, each file at once."""
    files = {"results.json": results, "trials.json": trials, "profiler_status.yaml": yaml.safe_dump(status)}
    for name, text in files.items():
        if text:
            (folder / f".{name}").write_text(text)
            (folder / f".{name}").rename(folder / name)


def wait_until(holds: Callable[[], bool], limit_s: float = 30) -> bool:
    limit = time.monotonic() + limit_s
    while not holds() and time.monotonic() < limit:
        time.sleep(0.1)
    return holds()


class Published:
    """A real publisher beside a folder, and the ConfigMap that it writes."""

    def __init__(self, kubeconfig: Path, folder: Path, namespace: str) -> None:
        self.api, self.kubeconfig, self.folder, self.namespace = (
            ClusterClient(kubeconfig),
            kubeconfig,
            folder,
            namespace,
        )
        self.log = folder / "publisher.log"
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self.processes: list[subprocess.Popen[str]] = []
        self.make()

    def make(self) -> None:
        """Make the ConfigMap, as the controller does."""
        metadata = {"name": "dgdr-output-qwen", "annotations": {"of": "the controller"}}
        self.api.request("POST", self.path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    def start(self, job: str = "job-1", *options: str, inputs: str = "hash") -> subprocess.Popen[str]:
        environment = {
            "DGDR_NAME": "qwen",
            "DGDR_NAMESPACE": self.namespace,
            "DGDR_JOB_UID": job,
            "DGDR_INPUTS": inputs,
        }
        command = [sys.executable, "-m", "dgdr_controller", "publish", f"--output-dir={self.folder}", *options]
        with self.log.open("w") as log:
            process = subprocess.Popen(
                command, env=os.environ | environment | {"KUBECONFIG": str(self.kubeconfig)}, stderr=log, text=True
            )
        self.processes.append(process)
        return process

    def logs(self, *messages: str) -> bool:
        """Wait until the publisher that was started last logs one of these."""
        return wait_until(lambda: any(message in self.log.read_text() for message in messages))

    def found(self) -> dict[str, Any]:
        return dict(self.api.request("GET", f"{self.path}/dgdr-output-qwen"))

    def says(self, **told: str) -> bool:
        return wait_until(lambda: told.items() <= self.found().get("data", {}).items())

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture
def published(control_plane: Cluster, namespace: str, tmp_path: Path) -> Any:
    it = Published(control_plane.kubeconfig, tmp_path, namespace)
    yield it
    it.end()


@pytest.mark.cluster
def test_progress_and_results_arrive_and_sigterm_ends_it(published: Published) -> None:
    process = published.start()
    tell(published.folder, RUNNING)
    assert published.says(profiler_status="running", phase="SweepingDecode", job_uid="job-1", inputs="hash")
    tell(published.folder, RUNNING | {"completed": 2, "message": "sglang"})
    assert published.says(message="sglang")
    tell(published.folder, SUCCESS, '{"a": 1}')
    assert published.says(profiler_status="success", profiler_exit_code="0")
    found = published.found()
    assert gzip.decompress(base64.b64decode(found["binaryData"]["results.json.gz"])) == b'{"a": 1}'
    assert found["metadata"]["annotations"]["of"] == "the controller"
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


@pytest.mark.cluster
def test_last_state_is_flushed_at_the_end(published: Published) -> None:
    tell(published.folder, RUNNING)
    process = published.start()
    assert published.says(profiler_status="running")
    tell(published.folder, SUCCESS, "{}")
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert published.found()["data"]["profiler_status"] == "success"


@pytest.mark.cluster
@pytest.mark.parametrize("answer", [SUCCESS, REFUSED])
def test_answer_is_not_overwritten_by_another_pod_of_the_same_job(published: Published, answer: dict[str, Any]) -> None:
    tell(published.folder, answer, "{}")
    first = published.start()
    assert published.says(profiler_status=answer["status"])
    first.terminate()
    assert first.wait(15) == 0
    tell(published.folder, RUNNING)
    second = published.start()
    assert published.logs("The result of this Job is published already", '"phase":"SweepingDecode"')
    second.terminate()
    assert second.wait(15) == 0
    assert published.found()["data"]["profiler_status"] == answer["status"]
    published.start("job-2")
    assert published.says(profiler_status="running", job_uid="job-2")


@pytest.mark.cluster
def test_publisher_writes_nothing_before_there_is_something_to_say(published: Published) -> None:
    process = published.start()
    time.sleep(3)
    process.terminate()
    assert process.wait(15) == 0
    assert "data" not in published.found()


@pytest.mark.cluster
def test_config_map_that_was_deleted_is_left_to_the_controller_to_make(published: Published) -> None:
    tell(published.folder, RUNNING)
    process = published.start()
    assert published.says(profiler_status="running")
    published.api.request("DELETE", f"{published.path}/dgdr-output-qwen")
    tell(published.folder, SUCCESS, "{}")
    assert published.logs("Cannot publish yet")
    with pytest.raises(OSError, match="404"):
        published.found()
    published.make()
    assert published.says(profiler_status="success")
    process.terminate()
    assert process.wait(15) == 0


def answered(published: Published, **statuses: TrialStatus) -> None:
    """Answer as the controller does."""
    content = {"data": trial_status(TrialReport(trials=statuses))}
    published.api.request("PATCH", f"{published.path}/dgdr-output-qwen", content, MERGE_PATCH)


@pytest.mark.cluster
def test_thorough_search_and_controller_hear_of_each_other(published: Published, tmp_path: Path) -> None:
    reports = tmp_path / "report"
    reports.mkdir()
    trials = TrialFiles(published.folder, reports)
    process = published.start("job-1", f"--report-dir={reports}")
    assert wait_until(lambda: trials.is_connected)
    assert trials.earlier() is None
    assert trials.status("a").state is TrialState.WAITING
    log = TrialLog(model="m", gpu_hours=1.5)
    trials.update(log)
    tell(published.folder, RUNNING)
    assert published.says(profiler_status="running", trials=log.model_dump_json(exclude_none=True))
    ready = TrialStatus(state=TrialState.READY, endpoint="http://a:8000")
    answered(published, a=ready)
    assert wait_until(lambda: trials.status("a") == ready)
    tell(published.folder, SUCCESS, "{}")
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert "trials" not in published.found()["data"]


@pytest.mark.cluster
def test_what_was_measured_outlives_the_pod(published: Published, tmp_path: Path) -> None:
    """A pod that begins knows nothing; what it says first must not take away what the one before has measured."""
    reports = tmp_path / "report"
    reports.mkdir()
    point = MeasuredPoint(trial="a", concurrency=8, ttft=1, itl=1, tokens_per_s=1, request_rate=1, requests=40)
    text = TrialLog(model="m", points=(point,)).model_dump_json(exclude_none=True)
    tell(published.folder, RUNNING, trials=text)
    first = published.start("job-1", f"--report-dir={reports}")
    assert published.says(trials=text)
    first.kill()
    first.wait()
    for path in (*published.folder.glob("*.json"), *reports.iterdir()):
        path.unlink()
    tell(published.folder, RUNNING | {"phase": "Initializing"})
    published.start("job-1", f"--report-dir={reports}")
    assert published.says(phase="Initializing", trials=text)
    trials = TrialFiles(published.folder, reports)
    assert wait_until(lambda: trials.is_connected)
    earlier = trials.earlier()
    assert earlier is not None
    assert earlier.points == (point,)
    published.start("job-2", f"--report-dir={reports}", inputs="others")
    assert published.says(inputs="others")
    assert wait_until(lambda: trials.earlier() is None)
    assert "trials" not in published.found()["data"]


@pytest.mark.cluster
def test_results_that_do_not_fit_are_a_failure_that_says_so(published: Published) -> None:
    tell(published.folder, SUCCESS, os.urandom(800_000).hex())
    process = published.start()
    assert published.says(profiler_status="failed", profiler_exit_code="70")
    assert "do not fit into a ConfigMap" in published.found()["data"]["profiler_error"]
    process.terminate()
    assert process.wait(15) == 0


@pytest.mark.cluster
@pytest.mark.slow
def test_last_state_is_written_however_long_the_api_server_is_away(tmp_path: Path) -> None:
    cluster = Local(layout("test-publisher"))
    with brought_up(cluster, Level.CONTROL_PLANE):
        published = Published(cluster.kubeconfig, tmp_path, "default")
        try:
            tell(tmp_path, RUNNING)
            process = published.start()
            assert published.says(profiler_status="running")
            cluster.hold("kube-apiserver")
            tell(tmp_path, SUCCESS, "{}")
            process.send_signal(signal.SIGTERM)
            time.sleep(8)
            assert process.poll() is None
            cluster.release("kube-apiserver")
            assert process.wait(60) == 0
            assert published.found()["data"]["profiler_status"] == "success"
        finally:
            published.end()


@pytest.mark.parametrize("text", ["", "- a", "status: odd", "a: [", "!!python/object:x {}", "status: running", "\x00"])
def test_status_that_cannot_be_read_is_a_value_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "profiler_status.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"profiler_status\.yaml cannot be read"):
        Source(tmp_path, "job", "inputs").read()


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_STATUS_LIMIT", 100)
    (tmp_path / "profiler_status.yaml").write_text("#" * 101)
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        Source(tmp_path, "job", "inputs").read()


class Relayed:
    """A publisher beside a folder, and a scripted API server that it writes to."""

    def __init__(self, server: FakeApiServer, folder: Path) -> None:
        self.server, self.folder, self.stop = server, folder, asyncio.Event()

    async def run(self) -> None:
        client = Client(self.server.config)
        try:
            await publisher.publish(client, Key("team", "dgdr-output-qwen"), Source(self.folder, "job", "i"), self.stop)
        finally:
            await client.close()

    @property
    def phases(self) -> list[str]:
        return [body["data"]["phase"] for _, _, body in self.server.writes]


@asynccontextmanager
async def relayed(folder: Path) -> AsyncIterator[Relayed]:
    async with FakeApiServer() as server:
        server.serve(CONFIG_MAPS)
        server.put(CONFIG_MAPS, {"metadata": {"name": "dgdr-output-qwen", "namespace": "team"}})
        running = Relayed(server, folder)
        task = asyncio.create_task(running.run())
        yield running
        running.stop.set()
        await task


@virtual_time
async def test_short_sub_phases_are_all_published_in_order(tmp_path: Path) -> None:
    phases = ["Initializing", "SweepingPrefill", "SweepingDecode", "SelectingConfig", "BuildingCurves", "GeneratingDGD"]
    async with relayed(tmp_path) as running:
        for phase in phases:
            tell(tmp_path, RUNNING | {"phase": phase})
            await asyncio.sleep(0.25)
        tell(tmp_path, SUCCESS, "{}")
        await asyncio.sleep(0.25)
    assert running.phases == [*phases, "Done"]


@virtual_time
async def test_progress_within_a_sub_phase_is_published_once_a_second_and_the_last_of_it_always(tmp_path: Path) -> None:
    async with relayed(tmp_path) as running:
        for number in range(50):
            tell(tmp_path, RUNNING | {"completed": number})
            await asyncio.sleep(0.1)
        await asyncio.sleep(2)
        progress = [json.loads(body["data"]["progress"])["completed"] for _, _, body in running.server.writes]
    assert progress[-1] == 49
    assert 5 <= len(progress) <= 7


def test_source_without_a_status_has_nothing(tmp_path: Path) -> None:
    assert Source(tmp_path, "job", "inputs").read() is None
