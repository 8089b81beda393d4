"""Whether processes of this container were killed because it has too little memory. Its cgroup counts them."""

from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_VERSIONS = (("memory.events", "memory.max"), ("memory/memory.oom_control", "memory/memory.limit_in_bytes"))
"""Files with the count and with the limit, of cgroups version 2 and of version 1."""
_MOST = 2**60
"""Bytes from which on a limit is none."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The memory of this container.

    Attributes:
        kills: Processes of it that were killed for want of memory.
        limit: Bytes that it may use; None: as many as there are.
    """

    kills: int
    limit: int | None

    @classmethod
    def read(cls, root: Path = _ROOT) -> "MemoryLimit":
        """Read it; outside of a container with a limit of its own, nobody was killed."""
        for events, limit in _VERSIONS:
            try:
                counts = dict(line.split(maxsplit=1) for line in (root / events).read_text().splitlines())
                written = (root / limit).read_text().strip()
                most = int(written) if written.isdecimal() else _MOST
                return cls(int(counts.get("oom_kill", 0)), most if most < _MOST else None)
            except (OSError, ValueError):
                continue
        return cls(0, None)

    @property
    def exceeded(self) -> str:
        """What happened, in words; empty where nothing did."""
        if not self.kills or self.limit is None:
            return ""
        return f"out of memory: processes were killed at the container's limit of {self.limit // 2**20} MiB"
