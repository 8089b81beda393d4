"""A cluster made here of ordinary processes. Every step can be interrupted and repeated."""

import itertools
import json
import shutil
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from hack.cluster import certificates, cgroups, control_plane, images, node, processes, store
from hack.cluster.api import Client
from hack.cluster.binaries import CONTROL_PLANE, NODE, Binaries, binaries
from hack.cluster.control_plane import ADMIN, Addresses
from hack.cluster.fakes import heartbeats
from hack.cluster.layout import Layout
from hack.cluster.link import INTERFACE, Link, free_link
from hack.cluster.made import Made
from hack.cluster.model import Level, Status
from hack.cluster.progress import ClusterError, UnavailableError, locked, say, step
from hack.cluster.supervisor import Component, Plan, add, write_plan
from hack.virtual_kubelet import component as virtual_kubelet
from hack.virtual_kubelet import shortcut

_READY_S = 90.0
"""Seconds that each part has to get ready; 2 to 4 are usual, more on a busy machine."""
_PORTS = range(20_000, 32_000)
"""Below the ports that outgoing connections take, so that what is free now stays free."""


@dataclass(frozen=True, slots=True)
class Local(Made):
    """A cluster of this machine."""

    @property
    def node(self) -> str:
        """Its node's name, the same in every cluster."""
        return node.NAME

    @property
    def level(self) -> Level | None:
        """The level that it was brought up at; None when it is not there."""
        found = self.layout.read_facts().get("level")
        return Level(found) if found else None

    def prepare(self, level: Level) -> None:
        """Get the programs of a level, and the images of a node.

        Raises:
            ClusterError: They cannot be had on this machine.
        """
        _programs(level)
        if level is Level.NODE:
            images.archive()

    def up(self, level: Level) -> None:
        """Bring it up, or leave it as it is when it is up at this level or has more: others may be using it.

        Raises:
            ClusterError: It cannot be made, or a component ends while it is.
        """
        with locked(self.layout.lock, f"Another process brings {self.name} up or down"):
            present = self.level
            if self._is_whole() and present and present.includes(level):
                # One that is slow to answer is waited for, not made anew.
                self._wait_until(lambda: self._api().is_ready(), "the API server is ready")
                return
            if self._is_whole():
                say(f"{self.name} is up at level {present}: it is made anew at level {level}")
            self._remove()
            self._make(level)

    def down(self) -> None:
        """End it and remove its state; nothing of it is left, whatever state it was in.

        Raises:
            ClusterError: Something cannot be ended or removed.
        """
        with locked(self.layout.lock, f"Another process brings {self.name} up or down"):
            self._remove()

    def status(self) -> Status:
        """Look at it."""
        layout = self.layout
        files = sorted(layout.deaths.iterdir()) if layout.deaths.exists() else []
        deaths = tuple(_death(layout, file) for file in files)
        if processes.supervisor(layout) is None:
            return Status(usable=False, summary="not running", problems=deaths)
        if not layout.complete.exists():
            return Status(usable=False, summary="not wholly up yet, or interrupted: up begins anew", problems=deaths)
        facts = layout.read_facts()
        running = f"running ({facts['level']}; {facts['programs']})"
        if not deaths and not self._api().is_ready():
            return Status(usable=False, summary=running, problems=("the API server is not ready",))
        return Status(usable=not deaths, summary=running, problems=deaths)

    def load(self, archive: Path) -> None:
        """Put the images of an archive into the node's containerd.

        Raises:
            ClusterError: There is no node, or containerd refuses the archive.
        """
        if not self.status().usable or self.level is not Level.NODE:
            raise ClusterError(f"{self.name} has no running node that takes images: make cluster-up LEVEL=node")
        store.load(self.layout.root, node.socket_of(self.layout.root), archive)

    def add(self, component: Component) -> None:
        """Run one more component, for as long as the cluster runs; one of its name that differs is replaced."""
        if add(self.layout, component):
            self.hold(component.name)
            self.release(component.name)
        self._wait_until((self.layout.running / component.name).exists, f"{component.name} has started")

    def hold(self, component: str) -> None:
        """Kill a component and keep it down until it is released.

        Raises:
            ClusterError: There is no such component, or the supervisor does not answer.
        """
        known = sorted(file.name for file in self.layout.running.glob("*"))
        if component not in known:
            raise ClusterError(f"no {component} runs in {self.name}; there are {', '.join(known) or 'none'}")
        (self.layout.held / component).touch()
        self._wait_until(lambda: not (self.layout.running / component).exists(), f"{component} has ended")

    def release(self, component: str) -> None:
        """Let a component run again that was held."""
        (self.layout.held / component).unlink(missing_ok=True)
        self._wait_until((self.layout.running / component).exists, f"{component} has started")

    def restart(self, component: str) -> None:
        """Kill a component and start it again, as when it crashes under a real init."""
        self.hold(component)
        self.release(component)
        self._wait_until(lambda: self._api().is_ready(), "the API server is ready")

    def _is_whole(self) -> bool:
        """Say whether everything that was started runs."""
        dead = self.layout.deaths.exists() and any(self.layout.deaths.iterdir())
        return self.layout.complete.exists() and not dead and processes.supervisor(self.layout) is not None

    def _api(self) -> Client:
        return Client(self.kubeconfig)

    def _make(self, level: Level) -> None:
        layout = self.layout
        if level is Level.NODE:
            node.check()
            node.check_path(layout)
        programs = _programs(level)
        archive = images.archive() if level is Level.NODE else None  # before anything runs: it may be impossible here
        layout.root.mkdir(parents=True, mode=0o700)  # keys, tokens, Secrets of pods
        if archive:
            store.copy(layout.root)
        with step(f"Starting the control plane ({programs.source})"):
            link = free_link(layout) if level is Level.NODE else None
            *ports, kubelet_port = _free_ports(layout, 4)
            addresses = Addresses(link.node_address if link else control_plane.LOOPBACK, *ports)
            self._prepare(addresses, programs, link, kubelet_port if level is Level.VIRTUAL_NODE else None)
            facts = {"level": level, "programs": programs.source, "server": addresses.server}
            layout.facts.write_text(json.dumps(facts | ({"link": link.host} if link else {})))
            supervisor = processes.start_supervisor(layout, isolated=link is not None)
            if link:
                link.connect(supervisor)
            self._wait_until(lambda: self._api().is_ready(), "the API server is ready")
            control_plane.api_is_ready(layout).touch()
            if programs.has("kube-controller-manager"):
                self._wait_until(lambda: self._api().admits_pods(), "the controllers work")
        if link and archive:
            with step("Starting the node"):
                self._start_node(link, archive)
        if level is Level.VIRTUAL_NODE:
            with step("Starting the virtual node"):
                self._wait_until(lambda: self._api().node_is_ready(node.NAME), f"node {node.NAME} is ready")
        layout.complete.touch()

    def _start_node(self, link: Link, archive: Path) -> None:
        layout = self.layout
        self._wait_until(lambda: node.containerd_is_ready(layout), "containerd is ready")
        node.serves_pods(layout.root).touch()
        store.load(layout.root, node.socket_of(layout.root), archive)
        for manifest in node.bootstrap(link):
            self._api().create(manifest)
        node.bootstrapped(layout.root).touch()
        self._wait_until(lambda: self._api().node_is_ready(node.NAME), f"node {node.NAME} is ready")
        self._wait_until(lambda: node.dns_is_ready(link), "DNS is ready")

    def _prepare(self, addresses: Addresses, programs: Binaries, link: Link | None, kubelet_port: int | None) -> None:
        """Write certificates, kubeconfigs and the supervisor's plan.

        Args:
            addresses: Where the control plane listens.
            programs: The programs of the components.
            link: Leads to the node; None: there is none, or a virtual one.
            kubelet_port: Port of the virtual kubelet; None: there is none.
        """
        layout = self.layout
        kubelets = node.identities(link) if link else virtual_kubelet.identities() if kubelet_port else ()
        certificates.make(layout.certificates, (*control_plane.identities(addresses), *kubelets))
        control_plane.write_kubeconfig(layout, ADMIN, addresses, layout.kubeconfig.name)
        components = [*control_plane.components(layout, addresses, programs), heartbeats.component(layout)]
        if kubelet_port:
            components.append(virtual_kubelet.component(layout, addresses, kubelet_port))
        if link is None:
            write_plan(layout, Plan(tuple(components)))
            return
        components += node.components(layout, addresses, programs)
        cgroups.make(layout)  # once there are files that tell of a node
        write_plan(layout, Plan(tuple(components), INTERFACE, node.preparation(link)))

    def _remove(self) -> None:
        processes.end(self.layout)
        shortcut.remove(self.layout)
        if (self.layout.root / "kubelet.kubeconfig").exists():  # it had a node, or was about to
            cgroups.remove(self.layout)
        if self.layout.root.exists():
            shutil.rmtree(self.layout.root)

    def _wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Wait until something holds; a component that ends meanwhile ends the wait.

        Raises:
            ClusterError: A component ended, or the time is over.
        """
        limit = time.monotonic() + _READY_S
        while not _holds(ready):
            if self.layout.deaths.exists() and any(self.layout.deaths.iterdir()):
                raise ClusterError("\n".join(self.status().problems))
            if processes.supervisor(self.layout) is None:
                raise ClusterError(f"the supervisor ended: {_end_of(self.layout.supervisor_log)}")
            if time.monotonic() > limit:
                raise ClusterError(f"after {_READY_S:.0f} s it does not hold that {what}; logs: {self.layout.logs}")
            time.sleep(0.1)


def _programs(level: Level) -> Binaries:
    """Return the programs of a cluster; a node of any kind needs the whole control plane.

    Raises:
        ClusterError: They cannot be had on this machine.
    """
    found = binaries((*CONTROL_PLANE, *NODE) if level is Level.NODE else CONTROL_PLANE)
    missing = [name for name in CONTROL_PLANE if not found.has(name)]
    if missing and level is Level.VIRTUAL_NODE:
        raise UnavailableError(f"a virtual node needs {', '.join(missing)}: unset KUBEBUILDER_ASSETS, which has none")
    return found


def _holds(ready: Callable[[], bool]) -> bool:
    """Ask; who cannot be reached may have died, or is not there yet."""
    try:
        return ready()
    except (OSError, HTTPException):
        return False


def _death(layout: Layout, file: Path) -> str:
    log = layout.logs / f"{file.name}.log"
    return f"{file.name} ended with exit code {file.read_text().strip()}; the end of {log}:{_end_of(log)}"


def _end_of(log: Path) -> str:
    last = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
    return "".join(f"\n    {line[:300]}" for line in last)


def _free_ports(layout: Layout, count: int) -> list[int]:
    """Return ports that are free, the same ones each time if they are; checkouts begin to look in different places.

    Raises:
        ClusterError: There are not as many.
    """
    first = zlib.crc32(layout.name.encode())
    candidates = (_PORTS[(first + step) % len(_PORTS)] for step in range(len(_PORTS)))
    free = list(itertools.islice(filter(_is_free, candidates), count))
    if len(free) < count:
        raise ClusterError(f"no {count} ports between {_PORTS.start} and {_PORTS.stop} of 127.0.0.1 are free")
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do; else recent connections hinder
        try:
            held.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
