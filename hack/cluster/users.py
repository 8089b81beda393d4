"""A cluster that several processes use at a time."""

import contextlib
import fcntl
from collections.abc import Iterator

from hack.cluster.layout import cache
from hack.cluster.model import Cluster, Level


@contextlib.contextmanager
def reserved(cluster: Cluster) -> Iterator[None]:
    """Keep a cluster from being taken down for a while; the last who does, in whatever process, takes it down.

    Who uses it holds a shared lock, which the kernel releases whatever way its process ends.
    """
    file = cache() / "clusters" / f"{cluster.name}.users"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                cluster.down()


@contextlib.contextmanager
def used(cluster: Cluster, level: Level) -> Iterator[None]:
    """Bring a cluster up for a while; the last of its users takes it down.

    Raises:
        ClusterError: It cannot be brought up.
    """
    with reserved(cluster):
        cluster.up(level)
        yield
