"""Which processes are a cluster's: those that carry its mark in their environment.

A mark is inherited from the supervisor by everything that it starts and by nothing else. It needs no file that could
be lost or come too late, survives the supervisor, and no other process of the same number can be taken for it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hack.cluster.api import without_proxies
from hack.cluster.layout import CHECKOUT, Layout
from hack.cluster.progress import ClusterError

MARK = "DGDR_LOCAL_CLUSTER"
"""Environment variable of a cluster's processes: the folder of the cluster."""
_START_S = 15.0
_END_S = 15.0
_SUPERVISOR = "hack.cluster.supervisor"
_NAMESPACES = (
    *("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--mount-proc", "--propagation", "private"),
    *("--fork", "--kill-child=SIGKILL"),
)
"""Gives a command namespaces of its own and makes it their first process."""


def start_supervisor(layout: Layout, *, isolated: bool) -> int:
    """Start the supervisor in a session of its own, so that Ctrl-C and the end of this process do not reach it.

    Returns:
        Its process id as the host numbers it; isolated, it is the first process of its namespaces.

    Raises:
        ClusterError: It does not start.
    """
    command = [sys.executable, "-m", _SUPERVISOR, str(layout.root)]
    with layout.supervisor_log.open("ab") as log:
        subprocess.run(  # noqa: S603 - our own program
            ["setsid", "--fork", *(_NAMESPACES if isolated else ()), *command],  # noqa: S607 - util-linux
            check=True,
            cwd=CHECKOUT,
            env=without_proxies() | {MARK: str(layout.root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    limit = time.monotonic() + _START_S
    while (pid := supervisor(layout)) is None:
        if time.monotonic() > limit:
            raise ClusterError(f"the supervisor does not start: {layout.supervisor_log.read_text()}")
        time.sleep(0.02)
    return pid


def supervisor(layout: Layout) -> int | None:
    """Return the supervisor's process id as the host numbers it; None when it does not run."""
    for pid in marked(layout):
        # Any spelling of the interpreter will do: another shell's python may be another link to it.
        # What starts it (setsid, unshare) has the same words, but further back.
        if _read(pid, "cmdline").split(b"\0")[1:3] == [b"-m", _SUPERVISOR.encode()]:
            return pid
    return None


def marked(layout: Layout) -> list[int]:
    """Return the ids of the cluster's running processes, in no order."""
    mark = f"{MARK}={layout.root}".encode()
    everybody = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in everybody if mark in _read(pid, "environ").split(b"\0")]


def end(layout: Layout) -> None:
    """Kill the cluster's processes and wait until none is left; its data are thrown away, so nobody is asked first.

    Namespaces end with their first process, and that process only after all others of them.

    Raises:
        ClusterError: A process cannot be ended.
    """
    limit = time.monotonic() + _END_S
    dying: set[int] = set()
    while pids := {*marked(layout), *(pid for pid in dying if _is_running(pid))}:
        if time.monotonic() > limit:
            raise ClusterError(f"processes {sorted(pids)} of {layout.name} do not end; see `ps -fp`, then down again")
        for pid in pids - dying:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        dying = pids
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    """Say whether a process has not ended; what nobody has collected yet (a zombie) has."""
    return _read(pid, "stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"], [b"X"])


def _read(pid: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""
