"""Python environments that hold exactly what a lock names.

uv installs, several times faster than pip; where uv cannot be had, pip does. Nothing is resolved: a lock names
everything with its hash, so that no newer release changes what is installed. The standard library suffices.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hack.cluster.children import finish, start
from hack.cluster.layout import CHECKOUT, cache
from hack.cluster.progress import ClusterError, locked, say, step, way_out
from hack.setup import pip

REQUIREMENTS = CHECKOUT / "requirements"
_STAMP = ".installed"
"""What was installed into an environment: the Python and the lock."""
_REDIRECTIONS = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_NO_CACHE", "UV_SYSTEM_PYTHON", "PYTHONHOME")
"""Variables that lead packages elsewhere than into the environment that is named."""


class UnreachableError(ClusterError):
    """Packages cannot be fetched or stored, by whatever program."""


def environment(folder: Path, lock: Path) -> Path:
    """Make an environment that holds what a lock names, unless it is there; return its interpreter.

    A run that was interrupted is continued by the next.

    Args:
        folder: Where the environment is.
        lock: Requirements with hashes, complete.

    Raises:
        ClusterError: The packages cannot be fetched.
    """
    if not is_current(folder, lock):
        with locked(folder.with_name(f"{folder.name}.lock"), f"Another process sets up {folder}"):
            if not is_current(folder, lock):
                _install(folder, lock)
    return folder / "bin" / "python"


def is_current(folder: Path, lock: Path) -> bool:
    """Say whether an environment was made from a lock as it is now, and its interpreter still runs."""
    stamp, python = folder / _STAMP, folder / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != _content(lock):
        return False
    return python.exists() and subprocess.run([str(python), "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603 - the environment's own


def uv() -> Path:
    """Return uv, installed once for this machine.

    Raises:
        ClusterError: It cannot be fetched.
    """
    lock = REQUIREMENTS / "uv.txt"
    folder = tool_folder(lock)
    if not is_current(folder, lock):
        with locked(folder.with_name(f"{folder.name}.lock"), "Another process installs uv"):
            if not is_current(folder, lock):
                _with_pip(folder, lock)
                _stamp(folder, lock)
    return folder / "bin" / "uv"


def tool_folder(lock: Path) -> Path:
    """Return the folder of an environment that checkouts with the same lock share."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    return cache() / "tools" / f"{lock.stem}-{digest}"


def tool(name: str) -> Path:
    """Return the interpreter of the shared environment that requirements/NAME.txt pins, made when it is not there.

    Raises:
        ClusterError: It cannot be fetched.
    """
    lock = REQUIREMENTS / f"{name}.txt"
    return environment(tool_folder(lock), lock)


def run_uv(*arguments: str) -> None:
    """Run uv with what pip is told of this machine's registries.

    Raises:
        ClusterError: It cannot be fetched, or it fails.
    """
    program = uv()
    reach = pip.for_uv(pip.settings(program.with_name("python")))
    # As pip does, trust what the machine trusts.
    trusted = {"UV_SYSTEM_CERTS": os.environ.get("UV_SYSTEM_CERTS", "1")}
    _run((str(program), *arguments), reach | trusted | {"UV_NO_PROGRESS": "1"})


def install_project(folder: Path) -> None:
    """Install this checkout into an environment, so that it runs from its sources.

    Raises:
        ClusterError: It fails.
    """
    options = ("--quiet", "--no-deps", "--no-build-isolation")
    try:
        run_uv("pip", "install", *options, f"--python={folder}", f"--editable={CHECKOUT}")
    except UnreachableError:
        raise
    except ClusterError as error:
        say(f"{error}\nInstalling with pip instead of uv")
        _run((str(folder / "bin" / "python"), "-m", "pip", "install", *options, f"--editable={CHECKOUT}"))


def _install(folder: Path, lock: Path) -> None:
    with step(f"Installing the packages of requirements/{lock.name}"):
        (folder / _STAMP).unlink(missing_ok=True)  # from here on it holds neither what it held nor what is wanted
        try:
            run_uv("venv", "--quiet", "--allow-existing", f"--python={sys.executable}", str(folder))
            run_uv("pip", "sync", "--quiet", "--require-hashes", f"--python={folder}", str(lock))
        except UnreachableError:
            raise
        except ClusterError as error:
            say(f"{error}\nInstalling with pip instead of uv, which is slower")
            _with_pip(folder, lock)
        _stamp(folder, lock)


def _with_pip(folder: Path, lock: Path) -> None:
    _run((sys.executable, "-m", "venv", str(folder)))
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    _run(
        (
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            *quiet,
            "--no-deps",
            "--require-hashes",
            "-r",
            str(lock),
        )
    )


def _stamp(folder: Path, lock: Path) -> None:
    """Write down what was installed, last: an interrupted run leaves nothing that looks finished."""
    (folder / _STAMP).write_text(_content(lock))


def _content(lock: Path) -> str:
    return f"{sys.version}\n{lock.read_text()}"


def _run(command: tuple[str, ...], environment: Mapping[str, str] | None = None) -> None:
    process = start(command, _environment() | dict(environment or {}), stderr=subprocess.STDOUT)
    printed, _ = finish(process)
    if process.returncode:
        last = "\n".join(printed.strip().splitlines()[-8:])
        advice = way_out(last)
        raise (UnreachableError if advice else ClusterError)(f"{Path(command[0]).name} failed:\n{last}{advice}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _REDIRECTIONS} | {"PIP_USER": "0"}
