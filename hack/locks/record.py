"""Records what the locked distributions say of themselves: pip is asked for metadata, uv for the names of the files.

Nothing is installed. Only wheels are asked for: the metadata of a source archive is known when it is built, and may
be another on each machine.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from hack.cluster.progress import step
from hack.locks import files, metadata, project, proof
from hack.locks.files import LockError, Pin
from hack.locks.targets import Target

_TIMEOUT_S = 1800
Recorded = dict[str, tuple[str | None, list[str]]]
"""Requires-Python and Requires-Dist by "NAME==VERSION"."""


def record(root: Path) -> None:
    """Write requirements/metadata.json.

    Raises:
        LockError: pip or uv cannot tell, or a distribution has no wheel.
    """
    recorded: Recorded = {}
    wheels: dict[str, dict[str, str]] = {}
    for wanted in project.read(root).locks:
        pins = files.read(wanted.path(root))
        used = proof.used(wanted, pins)
        for key, urls in _files(wanted.path(root)).items():
            wheels.setdefault(key, {}).update(_best(urls, used.get(key, ())))
        for target in wanted.targets:
            new = [pin for pin in pins if target in used.get(pin.key, ()) and pin.key not in recorded]
            if new:
                recorded |= _metadata(new, target, wanted.name)
    metadata.write(root, {key: metadata.facts(*required, wheels.get(key, {})) for key, required in recorded.items()})


def _best(urls: Mapping[str, str], targets: Iterable[Target]) -> dict[str, str]:
    """Return for each target the wheel that fits best: fewer lines than all, and pip and uv take the same."""
    best = {}
    for target in targets:
        ranked = [(rank, name) for name in urls if (rank := target.rank(name)) is not None]
        if ranked:
            name = min(ranked)[1]
            best[name] = urls[name]
    return best


def _files(lock: Path) -> dict[str, dict[str, str]]:
    """Return name and sha256 of all wheels of each distribution of a lock."""
    command = [
        *(str(Path(sys.executable).parent / "uv"), "pip", "compile", str(lock), "--no-deps", "--no-strip-extras"),
        *("--universal", "--python-version", "3.11", "--generate-hashes", "--format", "pylock.toml", "--quiet"),
    ]
    packages = tomllib.loads(_run(command)).get("packages", [])
    return {
        f"{canonicalize_name(package['name'])}=={package['version']}": {
            _name(wheel): wheel["hashes"]["sha256"] for wheel in package.get("wheels", ())
        }
        for package in packages
    }


def _name(wheel: Mapping[str, Any]) -> str:
    return str(wheel.get("name") or wheel["url"].rpartition("/")[2])


def _metadata(pins: Sequence[Pin], target: Target, lock: str) -> Recorded:
    """Ask pip what it would install on a target; the lock's name is for people."""
    with (
        step(f"Asking what {len(pins)} distributions of {lock} require"),
        tempfile.TemporaryDirectory() as scratch,
    ):
        lines = [" ".join([pin.key, *(f"--hash=sha256:{digest}" for digest in sorted(pin.hashes))]) for pin in pins]
        requirements, report = Path(scratch, "requirements.txt"), Path(scratch, "report.json")
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--dry-run"),
            *("--no-deps", "--ignore-installed", "--only-binary", ":all:", "--require-hashes"),
            # Without the last, old pips judge Requires-Python by the Python that runs them; the check judges it too.
            *("--implementation", "cp", "--python-version", target.python, "--ignore-requires-python"),
            *(word for tag in target.platform.tags for word in ("--platform", tag)),
            *("--target", str(Path(scratch, "nowhere")), "--report", str(report), "--requirement", str(requirements)),
        ]
        _run(command)
        reported = [
            distribution["metadata"] for distribution in json.loads(report.read_text(encoding="utf-8"))["install"]
        ]
    return {
        f"{canonicalize_name(metadata['name'])}=={metadata['version']}": (
            metadata.get("requires_python"),
            metadata.get("requires_dist", []),
        )
        for metadata in reported
    }


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 - our words
    if done.returncode:
        raise LockError(f"{' '.join(command[:4])} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
