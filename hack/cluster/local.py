"""A cluster made here: brought up, looked at, taken down. Every step can be interrupted and repeated."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hack.cluster import api, certificates, control_plane, images, node
from hack.cluster.binaries import CONTROL_PLANE, NODE, Binaries, binaries
from hack.cluster.control_plane import ADMIN, Addresses
from hack.cluster.fakes import FakeGpus, offer_gpus
from hack.cluster.layout import CHECKOUT, Layout
from hack.cluster.progress import ClusterError, step
from hack.cluster.supervisor import GRACE_S, Plan, listens, write_plan

READY_S = 60.0
"""Seconds that the API server has to get ready; 2 to 4 are usual."""


_NAMESPACES = (
    *("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--mount-proc", "--propagation", "private"),
    *("--fork", "--kill-child=SIGKILL"),
)
"""Gives a command namespaces of its own and makes it their first process."""


_started_here: list["subprocess.Popen[bytes]"] = []
"""Kept, because the garbage collector takes a running process that nobody holds for a mistake."""


class Level(StrEnum):
    """How much of a cluster is wanted."""

    CONTROL_PLANE = "control-plane"
    """API server, etcd, controller manager, scheduler: objects without pods."""
    NODE = "node"
    """With a kubelet: pods run."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a cluster is.

    Attributes:
        running: Whether its supervisor runs.
        level: What it was made as; empty when there is none.
        deaths: Components that ended by themselves, each with a sentence and its last log lines.
    """

    running: bool
    level: str
    deaths: tuple[str, ...]


def up(layout: Layout, level: Level, gpus: FakeGpus | None = None) -> None:
    """Bring the cluster up, or leave it as it is when it runs at this level.

    Args:
        layout: Where it lives.
        level: How much of a cluster is wanted.
        gpus: GPUs that the node pretends to have.

    Raises:
        ClusterError: It cannot be made, or a component ends while it is.
    """
    found = status(layout)
    if found.running and found.level == level and not found.deaths and api.is_ready(layout):
        return
    down(layout)
    if level is Level.NODE:
        node.check()
    programs = binaries((*CONTROL_PLANE, *(NODE if level is Level.NODE else ())))
    layout.root.mkdir(parents=True, exist_ok=True)
    with step(f"Starting the control plane ({programs.source})"):
        link = node.free_link(layout) if level is Level.NODE else None
        addresses = Addresses(link.node_address if link else "127.0.0.1", *_free_ports(3))
        _prepare(layout, addresses, programs, link)
        layout.facts.write_text(
            json.dumps({"level": level, "server": addresses.server, "link": link.host if link else ""})
        )
        _start_supervisor(layout, isolated=link is not None)
        if link:
            link.connect(_first_child(layout))
        _wait_until(layout, lambda: api.is_ready(layout), READY_S, "the API server is ready")
        control_plane.api_is_ready(layout).touch()
        _wait_until(layout, lambda: api.admits_pods(layout), READY_S, "the controllers work")
    if link:
        with step("Starting the node"):
            _wait_until(layout, lambda: listens(node.socket_of(layout.root)), READY_S, "containerd is ready")
            images.load(node.socket_of(layout.root), images.pause_archive())
            for manifest in node.bootstrap(link):
                api.create(layout, manifest)
            node.bootstrapped(layout.root).touch()
            _wait_until(layout, lambda: api.node_is_ready(layout, node.NAME), READY_S, f"node {node.NAME} is ready")
            _wait_until(layout, lambda: node.dns_is_ready(link), READY_S, "DNS is ready")
            if gpus:
                offer_gpus(layout, node.NAME, gpus)


def _prepare(layout: Layout, addresses: Addresses, programs: Binaries, link: node.Link | None) -> None:
    """Write certificates, kubeconfigs and the supervisor's plan."""
    certificates.make(
        layout.certificates, (*control_plane.identities(addresses), *(node.identities(link) if link else ()))
    )
    control_plane.write_kubeconfig(layout, ADMIN, addresses, layout.kubeconfig.name)
    components = control_plane.components(layout, addresses, programs)
    if link is None:
        write_plan(layout, Plan(tuple(components)))
        return
    node.make_cgroups(layout)
    components += node.components(layout, addresses, programs)
    write_plan(layout, Plan(tuple(components), node.INTERFACE, node.preparation(link)))


def down(layout: Layout) -> None:
    """End the cluster and remove its state; nothing of it is left, whatever state it was in."""
    pid = _supervisor(layout)
    if pid is not None:
        isolated = layout.read_facts().get("level") == Level.NODE
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if isolated else signal.SIGTERM)  # namespaces end with their first process
        limit = time.monotonic() + GRACE_S + 5
        while _supervisor(layout) is not None and time.monotonic() < limit:
            time.sleep(0.05)
    node.remove_cgroups(layout)
    shutil.rmtree(layout.root, ignore_errors=True)


def status(layout: Layout) -> Status:
    """Look at the cluster."""
    deaths = sorted(layout.deaths.iterdir()) if layout.deaths.exists() else []
    return Status(
        running=_supervisor(layout) is not None,
        level=layout.read_facts().get("level", ""),
        deaths=tuple(_death(layout, file) for file in deaths),
    )


def _death(layout: Layout, file: Path) -> str:
    log = layout.logs / f"{file.name}.log"
    last = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
    lines = "".join(f"\n    {line[:300]}" for line in last)
    return f"{file.name} ended with exit code {file.read_text().strip()}; the end of {log}:{lines}"


def _start_supervisor(layout: Layout, *, isolated: bool) -> None:
    namespaces = _NAMESPACES if isolated else ()
    with (layout.root / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*namespaces, sys.executable, "-m", "hack.cluster.supervisor", str(layout.root)],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started_here.append(process)
    layout.supervisor_pid.write_text(f"{process.pid} {_started(process.pid)}")


def _first_child(layout: Layout) -> int:
    """Return the first process of the namespaces, as the host numbers it."""
    pid = _supervisor(layout)
    children = Path(f"/proc/{pid}/task/{pid}/children")
    limit = time.monotonic() + READY_S
    while time.monotonic() < limit:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if found := children.read_text().split():
                return int(found[0])
        time.sleep(0.02)
    raise ClusterError(f"the node's namespaces were not made; see {layout.root / 'supervisor.log'}")


def _supervisor(layout: Layout) -> int | None:
    """Return the supervisor's process id while it runs; a later process of the same id is another one."""
    try:
        pid, started = layout.supervisor_pid.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    for process in _started_here:
        process.poll()  # or one that has ended stays a zombie of ours
    return int(pid) if _started(int(pid)) == started else None


def _started(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None when there is none or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def _free_ports(count: int) -> list[int]:
    """Return ports that are free now; all are held until all are found."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until(layout: Layout, ready: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until something holds; a component that ends meanwhile ends the wait.

    Raises:
        ClusterError: A component ended, or the time is over.
    """
    limit = time.monotonic() + limit_s
    while not ready():
        deaths = status(layout).deaths
        if deaths:
            raise ClusterError("\n".join(deaths))
        if _supervisor(layout) is None:
            raise ClusterError(f"the supervisor ended; see {layout.root / 'supervisor.log'}")
        if time.monotonic() > limit:
            raise ClusterError(f"after {limit_s:.0f} s it does not hold that {what}; logs: {layout.logs}")
        time.sleep(0.1)
