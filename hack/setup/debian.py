"""Debian packages that a command needs: found, or installed where that is allowed."""

import ctypes
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from hack.cluster.children import finish
from hack.cluster.layout import cache
from hack.cluster.progress import ClusterError, Task, UnavailableError, locked, say, step, way_out

_ENSUREPIP = "ensurepip"
"""The module that Debian has in a package of its own, and without which no environment gets pip."""
_COUNT = re.compile(r"(\d+) newly installed")


class Purpose(StrEnum):
    """What packages are for."""

    PYTHON = "the Python environment"
    NODE = "a Kubernetes node"
    IMAGES = "container images"
    BROWSER = "tests in a browser"
    DOCUMENTS = "tests of the commands in documents"


def _venv_package() -> str:
    """Return the package with ``ensurepip`` for this Python: that of another than Debian's own has its version."""
    own = Path("/usr/bin/python3").resolve().name
    version = f"python3.{sys.version_info.minor}"
    return "python3-venv" if own == version else f"{version}-venv"


_UTIL_LINUX = {"unshare": "util-linux", "nsenter": "util-linux"}
PACKAGES: Mapping[Purpose, Mapping[str, str]] = {
    Purpose.PYTHON: {_ENSUREPIP: _venv_package()},
    Purpose.NODE: {
        "containerd": "containerd",
        "runc": "runc",
        "/usr/lib/cni/ptp": "containernetworking-plugins",
        "ip": "iproute2",
        "iptables": "iptables",
        "conntrack": "conntrack",
        "mount": "mount",
        **_UTIL_LINUX,
    },
    Purpose.IMAGES: {"buildah": "buildah", "debootstrap": "debootstrap", "unshare": "util-linux"},
    # The driver that Playwright brings along is a Node.js that is linked with libatomic.
    Purpose.BROWSER: {"chromium|chromium-browser|google-chrome": "chromium", "libatomic.so.1": "libatomic1"},
    Purpose.DOCUMENTS: {"curl": "curl", "jq": "jq"},
}
"""Program (one of several), file, library or Python module that shows that a package is there, and the package."""


def missing(purpose: Purpose) -> list[str]:
    """Return the packages that are missing for a purpose, sorted."""
    return sorted({package for sign, package in PACKAGES[purpose].items() if not _is_there(sign)})


def _is_there(sign: str) -> bool:
    if sign == _ENSUREPIP:
        return importlib.util.find_spec(sign) is not None
    if ".so." in sign:
        return _loads(sign)
    return Path(sign).exists() if sign.startswith("/") else any(map(shutil.which, sign.split("|")))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def check(purpose: Purpose) -> None:
    """Check that no package is missing.

    Raises:
        UnavailableError: One is; the sentence says how to get it.
    """
    if packages := missing(purpose):
        raise UnavailableError(
            f"packages are missing for {purpose}: run `{by_hand(packages)}` as root, or allow this user sudo without a "
            "password"
        )


def by_hand(packages: Iterable[str]) -> str:
    """Return the command that installs packages of these names in Debian."""
    return f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"


def try_to_install(*purposes: Purpose) -> None:
    """Install packages that there is a way without: where apt-get fails, it says so."""
    try:
        install(*purposes)
    except ClusterError as error:
        say(f"Going on without packages for {', '.join(purposes)}: {error}")


def install(*purposes: Purpose) -> None:
    """Install the packages that are missing, where this user may: as root, or through sudo without a password.

    Where it may not, nothing happens.

    Raises:
        ClusterError: apt-get fails.
    """
    if not _wanted(purposes) or (prefix := privilege()) is None:
        return
    with locked(cache() / "apt.lock", "Another process installs packages"):
        wanted = _wanted(purposes)
        if not wanted:
            return
        what = "; ".join(f"{' '.join(packages)} for {purpose}" for purpose, packages in wanted.items())
        packages = sorted({package for lacking in wanted.values() for package in lacking})
        with step(f"Installing {what}", "package steps") as task:
            _run(*prefix, "apt-get", "update", "-qq")
            options = ("-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300")
            _run(*prefix, "apt-get", "install", *options, *packages, on_line=functools.partial(_count, task))


def _wanted(purposes: Iterable[Purpose]) -> dict[Purpose, list[str]]:
    found = {purpose: missing(purpose) for purpose in purposes}
    return {purpose: packages for purpose, packages in found.items() if packages}


def privilege() -> tuple[str, ...] | None:
    """Return what is put before apt-get; None where there is no apt-get, or this user may not install packages."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ()
    sudo = ("sudo", "-n")
    if shutil.which("sudo") and subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode == 0:  # noqa: S603 - our words
        passed = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        variables = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"} | passed
        return (*sudo, "env", *(f"{name}={value}" for name, value in variables.items()))
    return None


def _count(task: Task, line: str) -> None:
    """Count what apt-get does: each package is unpacked and set up."""
    if found := _COUNT.search(line):
        task.total = 2 * int(found[1])
    elif line.startswith(("Unpacking ", "Setting up ")):
        task.advance(line.split()[1])


def _run(*command: str, on_line: Callable[[str], None] | None = None) -> None:
    process = subprocess.Popen(  # noqa: S603 - apt-get, with our arguments
        command,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    printed, _ = finish(process, on_line)
    if process.returncode:
        errors = [line for line in printed.splitlines() if line.startswith(("E:", "Err:"))] or printed.splitlines()[-3:]
        raise ClusterError(f"apt-get failed: {'; '.join(errors)}{way_out(printed)}")
