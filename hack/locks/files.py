"""Reads the locks: requirements files in which every line pins one version and the hashes of its files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")


class LockError(Exception):
    """A lock cannot be read or made; one sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A line of a lock.

    Attributes:
        name: The distribution, normalized.
        version: Its one version.
        extras: The extras that are installed with it.
        marker: Where it is installed; everywhere if there is none.
        hashes: The sha256 of each file that may be installed.
    """

    name: str
    version: str
    extras: frozenset[str]
    marker: Marker | None
    hashes: frozenset[str]

    @property
    def key(self) -> str:
        """Distribution and version."""
        return f"{self.name}=={self.version}"


def read(path: Path) -> tuple[Pin, ...]:
    """Read a lock.

    Raises:
        LockError: It is missing, or a line is no pin.
    """
    if not path.exists():
        raise LockError(f"{label(path)} is missing: run make requirements")
    return tuple(_pin(line, path) for line in _lines(path.read_text(encoding="utf-8")))


def label(path: Path) -> str:
    """Return a file of requirements/ as messages name it."""
    return f"{path.parent.name}/{path.name}"


def _lines(text: str) -> Iterator[str]:
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in kept.replace("\\\n", " ").splitlines():
        if line.strip():
            yield line.strip()


def _pin(line: str, path: Path) -> Pin:
    written = _HASH.sub("", line).strip()
    try:
        requirement = Requirement(written)
    except InvalidRequirement:
        raise LockError(f"{label(path)}: {written!r} is no requirement: run make requirements") from None
    versions = [
        specifier.version
        for specifier in requirement.specifier
        if specifier.operator == "==" and "*" not in specifier.version
    ]
    if len(versions) != 1 or len(requirement.specifier) != 1:
        raise LockError(f"{label(path)}: {written!r} pins no version: run make requirements")
    return Pin(
        canonicalize_name(requirement.name),
        versions[0],
        frozenset(map(canonicalize_name, requirement.extras)),
        requirement.marker,
        frozenset(_HASH.findall(line)),
    )
