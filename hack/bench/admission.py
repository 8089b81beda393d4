"""``make bench-admission``: what the API server's calls cost, ours and a minimal webhook in Go in one run.

Both serve TLS on loopback, each in a process of its own, and are asked the same reviews. CPU is the
server's own, as the kernel counts it.
"""

import argparse
import asyncio
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

from dgdr_api.v1beta1 import API_VERSION
from dgdr_controller.admission import WebhookServer
from dgdr_controller.admission.certificates import Files, Lifetimes, ServingCertificates
from dgdr_controller.admission.certificates.rotation import renewed
from dgdr_controller.admission.server import CONVERT, DEFAULT, VALIDATE
from dgdr_controller.settings import HardwareSettings
from hack.cluster.layout import CHECKOUT

_SAMPLES = CHECKOUT / "config" / "samples"
_GO = CHECKOUT / "hack" / "bench" / "webhook"
_WARM_UP = 200
_MOST_P99_MS = 10.0
_HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked: the path, and the body of the review."""

    name: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Cost:
    """What a review costs: CPU of the server in ms, and how long the answer takes in ms."""

    cpu: float
    median: float
    p99: float


def main() -> int:
    """Measure and print a table; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=4000, help="of each kind (default 4000)")
    parser.add_argument("--at-once", type=int, default=1, help="reviews that are asked at a time (default 1)")
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        asyncio.run(_serve(Path(asked.serve[0]), int(asked.serve[1])))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_certificates(folder)
        program = folder / "webhook"
        subprocess.run(["go", "build", "-o", program, "."], cwd=_GO, check=True)  # noqa: S603, S607 - any Go
        go = [str(program), f"{_HOST}:{{port}}", str(folder / "tls.crt"), str(folder / "tls.key")]
        ours = [sys.executable, "-m", "hack.bench.admission", "--serve", scratch, "{port}"]
        validate, *others = _cases()
        print(f"{'':<44} {'CPU ms':>8} {'p50 ms':>8} {'p99 ms':>8}")
        with _running(go, folder) as there:
            _show("Go, minimal: one rule", there.cost(validate, asked.reviews, asked.at_once))
        costs = []
        with _running(ours, folder) as there:
            for case in (validate, *others):
                costs.append(there.cost(case, asked.reviews, asked.at_once))
                _show(f"ours: {case.name}", costs[-1])
    worst = max(cost.p99 for cost in costs)
    print(f"{asked.at_once} at a time; worst p99 {worst:.1f} ms, bar {_MOST_P99_MS:g} ms")
    return int(worst > _MOST_P99_MS)


def _show(name: str, cost: Cost) -> None:
    print(f"{name:<44} {cost.cpu:>8.2f} {cost.median:>8.2f} {cost.p99:>8.2f}", flush=True)


def _cases() -> list[Case]:
    shortest, longest, old = (
        yaml.safe_load((_SAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
        for name in ("qwen3-32b", "overrides", "v1alpha1-dynamo-06")
    )
    return [
        Case("validate, all rules", VALIDATE, _review(shortest)),
        Case("validate, with overrides of Job and deployment", VALIDATE, _review(longest)),
        Case("default", DEFAULT, _review(shortest)),
        Case("convert a request of v1alpha1", CONVERT, _conversion(old)),
    ]


def _review(manifest: dict[str, Any]) -> bytes:
    group, version = API_VERSION.split("/")
    request = {
        "uid": "1",
        "kind": {"group": group, "version": version, "kind": manifest["kind"]},
        "operation": "CREATE",
        "name": manifest["metadata"]["name"],
        "object": manifest,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def _conversion(manifest: dict[str, Any]) -> bytes:
    request = {"uid": "1", "desiredAPIVersion": API_VERSION, "objects": [manifest]}
    review = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request}
    return json.dumps(review).encode()


def _write_certificates(folder: Path) -> None:
    material = renewed(None, [_HOST], datetime.now(UTC), Lifetimes())
    for name, content in (("tls.crt", material.certificate), ("tls.key", material.key), ("ca.crt", material.bundle)):
        (folder / name).write_bytes(content)


async def _serve(folder: Path, port: int) -> None:
    certificates = ServingCertificates(Files(folder))
    await certificates.start()
    await WebhookServer(f"{_HOST}:{port}", certificates.context, HardwareSettings()).start()
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that runs.

    Attributes:
        pid: Its process.
        port: Where it listens.
        trusted: Whom to trust there.
    """

    pid: int
    port: int
    trusted: ssl.SSLContext

    def connect(self) -> HTTPSConnection:
        return HTTPSConnection(_HOST, self.port, context=self.trusted, timeout=10)

    def cost(self, case: Case, reviews: int, at_once: int) -> Cost:
        """Send this many reviews and measure."""
        self._ask(case, _WARM_UP, [])
        before, took = self._cpu_s(), [list[float]() for _ in range(at_once)]
        askers = [threading.Thread(target=self._ask, args=(case, reviews // at_once, times_ms)) for times_ms in took]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        times = sorted(ms for times_ms in took for ms in times_ms)
        cpu = (self._cpu_s() - before) / len(times) * 1000
        return Cost(cpu, statistics.median(times), times[int(len(times) * 0.99)])

    def _ask(self, case: Case, times: int, took: list[float]) -> None:
        connection = self.connect()
        for _ in range(times):
            began = time.perf_counter()
            connection.request("POST", case.path, case.body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            took.append((time.perf_counter() - began) * 1000)
            if answer.status != 200 or b'"allowed":false' in text or b"Failure" in text:  # noqa: PLR2004 - OK
                raise RuntimeError(f"{case.name}: {answer.status} {text[:500]!r}")
        connection.close()

    def _cpu_s(self) -> float:
        user, system = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _running(command: list[str], folder: Path) -> Iterator[_Server]:
    """Run a server on a free port until the block ends."""
    with socket.create_server((_HOST, 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([word.format(port=port) for word in command], cwd=CHECKOUT) as process:  # noqa: S603 - ours
        server = _Server(process.pid, port, ssl.create_default_context(cafile=str(folder / "ca.crt")))
        try:
            _wait(server)
            yield server
        finally:
            process.terminate()


def _wait(server: _Server) -> None:
    limit = time.monotonic() + 20
    while True:
        try:
            server.connect().connect()
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
