"""A real endpoint without a GPU: Dynamo's frontend and its simulated engine on free ports of the loopback."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.fixtures import lacking
from hack.dynamo import model
from hack.dynamo.timing import Timing
from hack.setup.environment import UnreachableError, tool

MODEL = "tiny"
TIMING = Timing(prefill_ms=40.0, prefill_ms_per_token=0.1, decode_ms=25.0, decode_ms_per_token=1e-4)
"""Times that one measures in seconds, and that a busy machine of two cores does not hide."""
_READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """An endpoint that serves.

    Attributes:
        url: Its URL.
        tokenizer: Folder of the model.
    """

    url: str
    tokenizer: Path


@contextlib.contextmanager
def simulated_endpoint(folder: Path, timing: Timing = TIMING) -> Iterator[Simulated]:
    """Serve a model whose times are known, until the block ends.

    Args:
        folder: Folder for the model and for what the processes tell each other.
        timing: How long the engine takes.
    """
    tokenizer, times, discovery = folder / "model", folder / "times.npz", folder / "discovery"
    tokenizer.mkdir()
    discovery.mkdir()
    for name, content in model.files().items():
        (tokenizer / name).write_text(content)
    times.write_bytes(timing.surface())
    port = free_port()
    environment = os.environ | {
        "DYN_DISCOVERY_BACKEND": "file",
        "DYN_FILE_KV": str(discovery),
        "DYN_REQUEST_PLANE": "tcp",
        "DYN_EVENT_PLANE": "zmq",
        "DYN_TCP_RPC_HOST": "127.0.0.1",
        "DYN_TCP_RESPONSE_STREAM_HOST": "127.0.0.1",
        "DYN_EVENT_PLANE_HOST": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",
    }
    frontend = ("dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", str(port))
    engine = (
        *("dynamo.mocker", "--model-path", str(tokenizer), "--model-name", MODEL),
        *("--planner-profile-data", str(times)),
    )
    with contextlib.ExitStack() as stack:
        for arguments in (frontend, engine):
            stack.enter_context(_running(arguments, environment, folder))
        url = f"http://127.0.0.1:{port}"
        _wait_until_listed(url)
        yield Simulated(url, tokenizer)


@contextlib.contextmanager
def _running(arguments: tuple[str, ...], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(installed("dynamo")), "-m", *arguments],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_listed(url: str) -> None:
    until = time.monotonic() + _READY_S
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/v1/models", timeout=5) as answer:
            if [entry["id"] for entry in json.load(answer)["data"]] == [MODEL]:
                return
        assert time.monotonic() < until, "the simulated engine is not listed"
        time.sleep(0.1)


def installed(name: str) -> Path:
    """Return the interpreter of an environment of this machine; without a registry to make it from, skip the test."""
    try:
        return tool(name)
    except UnreachableError as error:
        lacking(str(error))


def aiperf() -> str:
    """Return AIPerf's program."""
    return str(installed("aiperf").with_name("aiperf"))


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
