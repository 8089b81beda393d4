"""Asks a program's real parser, in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.layout import CHECKOUT
from hack.engines.programs import program
from hack.engines.wheels import NEWEST, EngineError, sources

_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a program makes of one command line.

    Attributes:
        values: Every setting by the program's name for it, where it accepted the line.
        refusal: What it said where it did not.
    """

    values: dict[str, Any]
    refusal: str | None


def parse(module: str, lines: Sequence[Sequence[str]], release: str = NEWEST.version) -> list[Parsed]:
    """Let a program parse command lines (what follows ``python3 -m MODULE``).

    Raises:
        EngineError: Its parser cannot be asked.
    """
    return [
        Parsed(parsed.get("values", {}), parsed.get("refusal")) for parsed in answer(module, lines, release)["parsed"]
    ]


def answer(module: str, lines: Sequence[Sequence[str]] = (), release: str = NEWEST.version) -> dict[str, Any]:
    """Return all that a program says: what it knows, and what it makes of command lines.

    Raises:
        EngineError: Its parser cannot be asked.
    """
    roots = [str(root) for root in sources(program(module, release).wheels)]
    request = json.dumps(
        {"module": module, "release": release, "roots": roots, "lines": [list(line) for line in lines]}
    )
    with tempfile.TemporaryDirectory() as home:  # engines write caches and read settings there
        result = Path(home) / "answer.json"
        done = subprocess.run(  # noqa: S603 - our words
            [sys.executable, "-m", "hack.engines.inside", str(result)],
            input=request,
            capture_output=True,
            text=True,
            env={"PATH": os.defpath, "HOME": home, "PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": "0"},
            cwd=home,
            check=False,
            timeout=_TIMEOUT_S,
        )
        if done.returncode or not result.exists():
            raise EngineError(f"the parser of {module} {release} cannot be loaded:\n{done.stderr[-2000:]}")
        return dict(json.loads(result.read_text(encoding="utf-8")))
