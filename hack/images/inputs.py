"""What an image is made of: as long as none of it changes, an image that is there is the right one."""

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError
from hack.images import base
from hack.images.names import DIGITS, Target

_LOCKS = {
    Target.CONTROLLER: {"controller"},
    Target.PROFILER: {"profiler"},
    Target.MEASURER: {"profiler", "aiperf"},
    Target.DYNAMO: {"dynamo"},
}
"""Locks whose packages are in an image; all images have what the others lock."""
_OURS = ("pyproject.toml", "README.md", "LICENSE", "api", "dgdr_controller")
"""What the stage ``code`` of the Dockerfile is made of: in every image but Dynamo's."""


def content_hash(target: Target, checkout: Path = CHECKOUT) -> str:
    """Return the hash of everything that an image is made of.

    Raises:
        ClusterError: .dockerignore is written in a way that is not understood here.
    """
    others = set[str]().union(*_LOCKS.values()) - _LOCKS[target]
    unused = {Path("requirements", f"{lock}.txt") for lock in others}
    unused |= {Path(name) for name in _OURS if target is Target.DYNAMO}
    files = [
        path
        for path in (checkout / "Dockerfile", *context(checkout))
        if unused.isdisjoint((path.relative_to(checkout), *path.relative_to(checkout).parents))
    ]
    return hash_of([target, base.RECIPE], files, checkout)


def layers_hash(suite: str, checkout: Path = CHECKOUT) -> str:
    """Return the hash of what the slow layers are made of: Debian and the requirements."""
    requirements = [path for path in context(checkout) if path.parent.name == "requirements"]
    return hash_of([suite, base.RECIPE], requirements, checkout)


def hash_of(facts: list[str], files: Iterable[Path], checkout: Path = CHECKOUT) -> str:
    """Return the hash of some facts and of files of the checkout: their paths and their contents."""
    content = [(str(path.relative_to(checkout)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return hashlib.sha256(json.dumps([facts, sorted(content)]).encode()).hexdigest()[:DIGITS]


def context(checkout: Path) -> Iterator[Path]:
    """Return the files that .dockerignore lets through: ``*``, then ``!ROOT``, and ``**/NAME`` or ``PATH`` for less.

    Raises:
        ClusterError: It has other lines.
    """
    first, *lines = (checkout / ".dockerignore").read_text().split()
    roots = [line[1:] for line in lines if line.startswith("!")]
    less = [line for line in lines if not line.startswith("!")]
    if first != "*" or any("*" in line.removeprefix("**/") for line in lines):
        raise ClusterError(".dockerignore: write *, then !PATH for what is let through, then PATH or **/NAME for less")
    for root in roots:
        if not (checkout / root).exists():
            raise ClusterError(f".dockerignore: {root} is let through, and there is none: correct it")
        within = (checkout / root).rglob("*") if (checkout / root).is_dir() else [checkout / root]
        for path in within:
            if path.is_file() and not _is_excluded(path.relative_to(checkout), less):
                yield path


def _is_excluded(path: Path, less: list[str]) -> bool:
    parents = [str(path), *map(str, path.parents)]
    return any(
        line.removeprefix("**/") in path.parts if line.startswith("**/") else fnmatch.filter(parents, line)
        for line in less
    )
