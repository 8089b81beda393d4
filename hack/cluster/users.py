"""A cluster that several processes use at a time."""

import contextlib
import fcntl
from collections.abc import Iterator

from hack.cluster.layout import cache
from hack.cluster.model import Cluster, Level


@contextlib.contextmanager
def used(cluster: Cluster, level: Level) -> Iterator[None]:
    """Bring a cluster up for a while; the last of its users, in whatever processes, takes it down.

    Who uses it holds a shared lock, which the kernel releases whatever way its process ends.

    Raises:
        ClusterError: It cannot be brought up.
    """
    file = cache() / "clusters" / f"{cluster.name}.users"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            cluster.up(level)
            yield
        finally:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                cluster.down()
