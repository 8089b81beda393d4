"""What the demo and the tests get before anything runs: packages, Kubernetes and images, at the same time.

``python -m hack.prepare`` gets what the tests need; what this machine cannot have, the tests say when they need it.
"""

import functools
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator

from hack.cluster import docker, images, node, store
from hack.cluster.children import parallel
from hack.cluster.layout import CHECKOUT, cache
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.program import run
from hack.cluster.progress import ClusterError, UnavailableError, say
from hack.cluster.resolve import resolve
from hack.images.build import build
from hack.installation import IMAGES
from hack.locks import project
from hack.setup import debian
from hack.setup.debian import Purpose
from hack.setup.environment import tool


def choose(cluster: Cluster, wanted: Level = Level.NODE) -> tuple[Level, str]:
    """Install packages that are missing, where that is allowed; return how much of a cluster this machine can have.

    Args:
        cluster: The cluster.
        wanted: The level that is wanted, where this machine can have it.

    Returns:
        The level, and a sentence about it: where pods run, and what more would take.

    Raises:
        UnavailableError: It can have none.
    """
    if not isinstance(cluster, Local):
        return Level.NODE, "Cluster: kind, in Docker."
    if sys.platform != "linux":
        raise UnavailableError(
            f"on {platform.system()} the demo runs in Docker alone (kind): start Docker and run it again; `make plan` "
            "plans the same request without a cluster"
        )
    virtual = "Cluster: a real control plane and a virtual node, whose pods are processes of this machine."
    if wanted is Level.VIRTUAL_NODE:
        return wanted, virtual
    if node.may_run():
        debian.try_to_install(Purpose.NODE, Purpose.IMAGES)
    try:
        node.check()
        debian.check(Purpose.IMAGES)
    except UnavailableError as error:
        return Level.VIRTUAL_NODE, f"{virtual}\nFor pods in containers run it as root, or install Docker: {error}."
    more = "Docker is not used" if docker.answers() else "With Docker it would be kind"
    return Level.NODE, f"Cluster: a real Kubernetes in namespaces of this machine. {more}."


def prepare(cluster: Cluster, level: Level, more: Iterable[str] = ()) -> None:
    """Build and fetch everything that is not there, so that bringing the cluster up takes seconds.

    Args:
        cluster: The cluster.
        level: Its level.
        more: Environments that are made at the same time, by the names of their locks in requirements/.

    Raises:
        ClusterError: Something cannot be built or fetched.
    """
    dynamo = ("dynamo",) if level is Level.VIRTUAL_NODE else ()
    parts: list[Callable[[], object]] = [lambda: cluster.prepare(level)]
    parts += [functools.partial(tool, name) for name in {*more, *dynamo}]
    if level is not Level.VIRTUAL_NODE and cluster.ours:
        parts.append(lambda: _images(cluster))
    if cluster.ours:
        _check_disk(level)
    parallel(*parts)


_NEEDED_GIB = {Level.CONTROL_PLANE: 5, Level.VIRTUAL_NODE: 6, Level.NODE: 16}
"""Disk that everything takes which is built for a level, in the user's cache folder; measured, with some room."""


def _check_disk(level: Level) -> None:
    """Check that there is room for all that is built at the same time, where nothing has been built yet."""
    cache().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache()).free / 2**30
    if free < _NEEDED_GIB[level] and not any(cache().glob("bin/kubernetes-*/kubernetes")):
        raise ClusterError(
            f"{cache()}: {free:.1f} GiB free, {_NEEDED_GIB[level]} are needed for the first run: make room, or set "
            "XDG_CACHE_HOME to a folder on another disk"
        )


def _images(cluster: Cluster) -> None:
    try:
        archives = [images.archive(), *(build(target) for target in IMAGES)]
    except ClusterError as error:
        raise ClusterError(
            f'{error}\nA virtual node needs no images: make demo OPTIONS="--level virtual-node"'
        ) from error
    if isinstance(cluster, Local):
        store.add(archives)


_STARTED_BY_TESTS = frozenset(("aiperf", "dynamo"))
"""Environments whose programs tests start: a load generator, and a frontend with simulated engines."""


def environments() -> Iterator[str]:
    """Return the names of those that tests start, as far as there are packages for this machine."""
    here = (sys.platform, platform.machine())
    for lock in project.read(CHECKOUT).locks:
        machines = {(target.platform.sys_platform, target.platform.machine) for target in lock.targets}
        if lock.name in _STARTED_BY_TESTS and here in machines:
            yield lock.name


def prepare_for_tests() -> None:
    """Get what the tests need, as far as this machine can have it."""
    try:
        debian.try_to_install(Purpose.BROWSER, Purpose.DOCUMENTS)
        cluster = resolve()
        level, sentence = choose(cluster)
        say(sentence)
        prepare(cluster, level, environments())
    except UnavailableError as error:
        say(f"Tests that need it are skipped: {error}")


def main() -> None:
    """Prepare for the tests, and end with one sentence where something is wrong."""
    run(prepare_for_tests, "interrupted: the same command continues where it stopped")


if __name__ == "__main__":
    main()
