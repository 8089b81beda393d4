"""The parent of a cluster's components: starts them, writes down who dies and why, ends them all on SIGTERM.

Run as ``python -m hack.cluster.supervisor ROOT`` and, for a cluster with a node, as process 1 of namespaces of its
own: when it ends, the kernel ends every process, mount, interface and packet filter rule of the cluster with it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from hack.cluster.layout import Layout

GRACE_S = 2.0
"""Seconds that components have to end by themselves; what they hold is thrown away anyway."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the cluster.

    Attributes:
        name: Name of the component.
        command: Its command line.
        needs: File that must exist, or Unix socket that must answer, before it and the components after it start;
            empty: nothing.
    """

    name: str
    command: tuple[str, ...]
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the supervisor does.

    Attributes:
        components: The processes, in the order of their start.
        interface: Network interface that must be there before anything else happens; None: none is awaited.
        prepare: Commands that run to their end before the first component starts.
    """

    components: tuple[Component, ...]
    interface: str | None = None
    prepare: tuple[tuple[str, ...], ...] = ()


def write_plan(layout: Layout, plan: Plan) -> None:
    """Write down what the supervisor is to do."""
    layout.plan.write_text(json.dumps(asdict(plan), indent=1))


def supervise(layout: Layout) -> None:
    """Run the planned components until told to stop."""
    signal.signal(signal.SIGTERM, _stop)
    layout.logs.mkdir(exist_ok=True)
    layout.deaths.mkdir(exist_ok=True)
    plan = json.loads(layout.plan.read_text())
    while plan["interface"] and plan["interface"] not in (name for _, name in socket.if_nameindex()):
        time.sleep(0.02)
    for command in plan["prepare"]:
        subprocess.run(command, check=True)  # noqa: S603 - the plan is ours
    running: dict[int, str] = {}
    for item in plan["components"]:
        while item["needs"] and not _is_there(Path(item["needs"])):
            _reap(layout, running)
            time.sleep(0.02)
        with (layout.logs / f"{item['name']}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - the plan is ours
                item["command"], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
            )
        running[process.pid] = item["name"]
    try:
        while True:
            _reap(layout, running)
            time.sleep(0.2)
    except SystemExit:
        _end(running)
        raise


def _is_there(path: Path) -> bool:
    return path.exists() and (listens(path) if path.is_socket() else True)


def listens(path: Path) -> bool:
    """Say whether somebody accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _stop(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


def _reap(layout: Layout, running: dict[int, str]) -> None:
    """Collect every ended child; as process 1 of a namespace that includes orphans of containers."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if name := running.pop(pid, None):
            (layout.deaths / name).write_text(f"{os.waitstatus_to_exitcode(status)}\n")


def _end(running: dict[int, str]) -> None:
    """End the components in reverse order of their start."""
    for pid in reversed(running):
        os.kill(pid, signal.SIGTERM)
    limit = time.monotonic() + GRACE_S
    while running and time.monotonic() < limit:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        running.pop(pid, None)
        time.sleep(0.05)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    supervise(Layout(Path(sys.argv[1])))
