"""What AIC's own sweep finds: it is asked once for each installation and each question, and its answer is kept.

Its sweep takes half a minute, and nothing of ours has a part in it: a program of its own (``aic_sweep.py``) runs it,
without our package, our environment variables or the user's. So its answer changes only with what is in the key: its
arguments, that program, the content of every file of AIC, the version of every other package, Python, the machine.
What is compared with it is computed anew in every run. An empty cache folder (``XDG_CACHE_HOME``) has it asked again.
"""

import functools
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from dgdr_api.candidate import Mode
from dgdr_controller.profiler.simulation.messages import Row, Search
from hack.cluster.layout import cache
from hack.cluster.progress import locked

Key = Mapping[str, Any]
Rows = list[Row]

_PROGRAM = Path(__file__).with_name("aic_sweep.py")
_AIC = ("aiconfigurator", "aiconfigurator-core")
_OURS = "dgdr-controller"
_LIMIT_S = 600


def own_sweep(question: Search, ttft: Sequence[float], tpot: Sequence[float]) -> Rows:
    """Return the rows of AIC's sweep for a question of ours, under each target for the TTFT and all for the TPOT."""
    tasks = [_task(question) | {"ttft": target, "tpot": list(tpot)} for target in ttft]
    key = {"tasks": tasks, "program": _PROGRAM.read_text(), "installation": installation()}
    return Kept(cache() / "aic-sweeps").get(key, lambda: _swept(tasks))


def _task(question: Search) -> dict[str, Any]:
    disaggregated = question.mode is Mode.DISAGGREGATED
    workers = ("prefill_", "decode_") if disaggregated else ("",)
    names = {
        "model_path": question.model,
        "system_name": question.system,
        "backend_name": question.backend.value,
        "backend_version": "current",
    }
    return {
        "serving_mode": "disagg" if disaggregated else "agg",
        "total_gpus": question.total_gpus,
        "isl": question.isl,
        "osl": question.osl,
        "pareto_sweep": False,
        **{worker + name: value for worker in workers for name, value in names.items()},
        **{f"{worker or 'agg_'}cp_candidates": [1] for worker in workers},
    }


def _swept(tasks: list[dict[str, Any]]) -> Rows:
    """Run the program, isolated: no environment variable and no folder of the user's has a say in it."""
    printed = subprocess.run(
        [sys.executable, "-I", str(_PROGRAM), json.dumps(tasks)],
        env={"PATH": os.defpath, "HOME": os.devnull},
        capture_output=True,
        text=True,
        check=True,
        timeout=_LIMIT_S,
    )
    rows: Rows = json.loads(printed.stdout.splitlines()[-1])
    return rows


@functools.cache
def installation() -> dict[str, str]:
    """Return what a program is run by: Python, the machine, and each package that it may import."""
    return {"python": sys.version, "machine": sysconfig.get_platform()} | packages(metadata.distributions())


def packages(installed: Iterable[metadata.Distribution]) -> dict[str, str]:
    """Return a digest for each package but ours: of the content of AIC's files, of the others' lists of files."""
    named = {distribution.metadata["Name"].lower().replace("_", "-"): distribution for distribution in installed}
    return {
        name: _content(distribution)
        if name in _AIC
        else _hash((distribution.read_text("RECORD") or distribution.version).encode())
        for name, distribution in sorted(named.items())
        if name != _OURS
    }


def _content(package: metadata.Distribution) -> str:
    """Return a digest of all files of a package but what Python has compiled of them."""
    digest = hashlib.sha256()
    for file in sorted(package.files or (), key=str):
        if file.suffix != ".pyc":
            digest.update(f"{file}: {_hash(Path(str(file.locate())).read_bytes())}\n".encode())
    return digest.hexdigest()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _canonical(content: object) -> str:
    return json.dumps(content, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Kept:
    """Answers in files, each with the whole key that it answers and a digest of itself.

    Attributes:
        folder: Where they are.
    """

    folder: Path

    def get(self, key: Key, ask: Callable[[], Rows]) -> Rows:
        """Return the answer for this key, asking for it where there is none, or none that is whole."""
        path = self.path(key)
        with locked(path.with_suffix(".lock"), "another process asks for the same sweep"):
            rows = self._read(path, key)
            if rows is None:
                rows = ask()
                self._write(path, key, rows)
        return rows

    def path(self, key: Key) -> Path:
        """Return the file for a key."""
        return self.folder / f"{_hash(_canonical(key).encode())}.json"

    @staticmethod
    def _read(path: Path, key: Key) -> Rows | None:
        try:
            found = json.loads(path.read_text())
            rows: Rows = found["rows"]
            whole = found["key"] == key and found["digest"] == _hash(_canonical(rows).encode())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return rows if whole else None

    @staticmethod
    def _write(path: Path, key: Key, rows: Rows) -> None:
        """Write it at once: who reads finds the whole answer or none."""
        staged = path.with_suffix(f".{os.getpid()}")
        digest = _hash(_canonical(rows).encode())
        staged.write_text(json.dumps({"key": key, "digest": digest, "rows": rows}))
        staged.replace(path)
