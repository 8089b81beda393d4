"""Runs the pods of a graph until its questions are answered, in a network and with process numbers of their own.

So every pod has an address, whose ports are free, as in a cluster; nobody else can reach them; and whatever was
started ends with the first process, however that ends: the kernel sees to it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dgdr_controller.manifest import Manifest
from hack.cluster.layout import CHECKOUT
from hack.engines.cpu.environment import interpreter
from hack.engines.cpu.pods import pods
from hack.engines.wheels import EngineError

_TIMEOUT_S = 1500
_APART = ("unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child")


@dataclass(frozen=True, slots=True)
class Served:
    """What a deployment answered. All but the answers is by component.

    Attributes:
        answers: OpenAI's chat completions, one for each question.
        cards: What each worker says of itself to the frontend: Dynamo's model deployment card.
        metrics: Each process's metrics, as Prometheus reads them.
        logs: What each process wrote.
    """

    answers: list[dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    metrics: dict[str, str]
    logs: dict[str, str]


def serve(graph: Manifest, model: str, questions: Sequence[str], tokens: int) -> Served:
    """Start a graph's pods, ask one question after the other, and end them.

    Args:
        graph: The deployment, as it is rendered.
        model: The name under which clients ask.
        questions: What a user says.
        tokens: Length of each answer.

    Raises:
        EngineError: A process ended, or nothing was answered in time; with the end of the logs.
    """
    python = interpreter()
    with tempfile.TemporaryDirectory(prefix="engine") as scratch:  # a short path: sockets are in it
        folder = Path(scratch)
        started = pods(graph, python, folder)
        asked = {"pods": [asdict(pod) for pod in started], "model": model, "questions": questions, "tokens": tokens}
        _run(json.dumps(asked), folder)
        observed = json.loads((folder / "observed.json").read_text(encoding="utf-8"))
        return Served(**observed, logs={pod.name: _log(folder, pod.name) for pod in started})


def _run(asked: str, folder: Path) -> None:
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    command = (*_APART, *as_root, sys.executable, "-m", "hack.engines.cpu.inside", str(folder))
    try:
        done = subprocess.run(  # noqa: S603 - our words
            command, input=asked, capture_output=True, text=True, cwd=CHECKOUT, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"nothing was answered within {_TIMEOUT_S} s{_last_words(folder)}") from None
    if done.returncode:
        raise EngineError(f"{done.stderr.strip()[-2000:]}{_last_words(folder)}")


def _last_words(folder: Path) -> str:
    logs = {path.stem: path.read_text(encoding="utf-8", errors="replace")[-2000:] for path in folder.glob("*.log")}
    return "".join(f"\n{name}:\n{text}" for name, text in sorted(logs.items()))


def _log(folder: Path, name: str) -> str:
    return (folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
