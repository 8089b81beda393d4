"""The parent of a cluster's components: keeps them running as planned and writes down who dies and why.

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

from hack.cluster.layout import Layout

_PERIOD_S = 0.05


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the cluster.

    Attributes:
        name: Name of the component.
        command: Its command line.
        needs: File that must exist, or Unix socket that must answer, before it and the components after it start;
            empty: nothing.
        revision: What its program is made of: one that is added again with another revision is started again.
    """

    name: str
    command: tuple[str, ...]
    needs: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the supervisor does.

    Attributes:
        components: The processes, in the order of their start.
        interface: Network interface that must be there before anything else happens; empty: none is awaited.
        prepare: Commands that run to their end before the first component starts.
    """

    components: tuple[Component, ...]
    interface: str = ""
    prepare: tuple[tuple[str, ...], ...] = ()


def write_plan(layout: Layout, plan: Plan) -> None:
    """Write down what the supervisor is to do."""
    layout.plan.write_text(json.dumps(asdict(plan), indent=1))


def _read_plan(layout: Layout) -> Plan:
    plan = json.loads(layout.plan.read_text())
    return Plan(tuple(Component(**item) for item in plan["components"]), plan["interface"], plan["prepare"])


class Supervisor:
    """The running components, and what is to be done about them."""

    def __init__(self, layout: Layout, plan: Plan) -> None:
        """Start nothing yet."""
        self._layout = layout
        self._plan = plan
        self._running: dict[int, str] = {}

    def prepare(self) -> None:
        """Make ready what the components find when they start."""
        for folder in (self._layout.logs, self._layout.deaths, self._layout.held, self._layout.running):
            folder.mkdir(exist_ok=True)
        while self._plan.interface and self._plan.interface not in (name for _, name in socket.if_nameindex()):
            time.sleep(_PERIOD_S)
        for command in self._plan.prepare:
            subprocess.run(command, check=True)  # noqa: S603 - the plan is ours

    def tend(self) -> None:
        """Start who is to run and does not, kill who is held and runs; never start again who died by itself."""
        self._reap()
        running = {name: pid for pid, name in self._running.items()}
        for component in (*self._plan.components, *_added(self._layout)):
            held = (self._layout.held / component.name).exists()
            if held and component.name in running:
                os.kill(running[component.name], signal.SIGKILL)
            elif not held and component.name not in running and not (self._layout.deaths / component.name).exists():
                if component.needs and not _is_there(Path(component.needs)):
                    return
                self._start(component)

    def _start(self, component: Component) -> None:
        log = str(self._layout.logs / f"{component.name}.log")
        # Not subprocess: it collects children on its own account, and their exit codes would be lost.
        pid = os.posix_spawnp(
            component.command[0],
            component.command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        self._running[pid] = component.name
        (self._layout.running / component.name).touch()

    def _reap(self) -> None:
        """Collect every ended child; as process 1 of a namespace that includes orphans of containers."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if name := self._running.pop(pid, None):
                (self._layout.running / name).unlink(missing_ok=True)
                if not (self._layout.held / name).exists():
                    (self._layout.deaths / name).write_text(f"{os.waitstatus_to_exitcode(status)}\n")


def add(layout: Layout, component: Component) -> bool:
    """Let a running supervisor run one more component; return whether it takes the place of another of its name."""
    layout.added.mkdir(exist_ok=True)
    written, text = layout.added / component.name, json.dumps(asdict(component))
    replaces = written.exists() and written.read_text() != text
    part = layout.added / f".{component.name}"
    part.write_text(text)
    part.replace(written)
    return replaces


def _added(layout: Layout) -> list[Component]:
    files = sorted(layout.added.glob("[!.]*")) if layout.added.exists() else []
    return [Component(**json.loads(file.read_text())) for file in files]


def _is_there(path: Path) -> bool:
    return path.exists() and (listens(path) if path.is_socket() else True)


def listens(path: Path) -> bool:
    """Say whether somebody accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


if __name__ == "__main__":
    cluster_layout = Layout(Path(sys.argv[1]))
    supervisor = Supervisor(cluster_layout, _read_plan(cluster_layout))
    supervisor.prepare()
    while True:
        supervisor.tend()
        time.sleep(_PERIOD_S)
