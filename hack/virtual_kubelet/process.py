"""One run of a container: a process that leads a session of its own, and all that it starts."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from hack.cluster import processes
from hack.cluster.layout import Layout
from hack.virtual_kubelet.launch import CONTAINER_MARK, Launch


class Process:
    """A process that has been started.

    Args:
        child: The process.
        mark: Value of its ``CONTAINER_MARK``.
        layout: The cluster's files.
    """

    def __init__(self, child: asyncio.subprocess.Process, mark: str, layout: Layout) -> None:
        self._child = child
        self._mark = mark
        self._layout = layout

    @classmethod
    async def start(cls, launch: Launch, log: Path, layout: Layout) -> "Process":
        """Start a process whose output goes to a file.

        Raises:
            OSError: It cannot be started.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *launch.command,
                env=launch.environment,
                cwd=launch.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return cls(child, launch.environment[CONTAINER_MARK], layout)

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._child.returncode is None

    async def wait(self) -> int:
        """Wait for its end, and end what it has left running; return its exit code as containers have it."""
        code = await self._child.wait()
        self.kill()
        return code if code >= 0 else 128 - code

    async def ends_within(self, seconds: float) -> bool:
        """Wait until it has ended, but not longer than this; say whether it has."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._child.wait(), seconds)
        return not self.runs

    def terminate(self) -> None:
        """Ask it to end: SIGTERM to the process itself, as to the first process of a container."""
        if self.runs:
            self._child.terminate()

    def kill(self) -> None:
        """Kill it and all that it has started, in whatever sessions: a container ends with its first process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        kill(marked(self._layout, self._mark))


def marked(layout: Layout, mark: str = "") -> list[int]:
    """Return the ids of the processes of a cluster's containers.

    Args:
        layout: The cluster's files.
        mark: Only of this container; empty: of all.
    """
    wanted = f"{CONTAINER_MARK}={mark}".encode()
    found = []
    for pid in processes.marked(layout):
        with contextlib.suppress(OSError):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if any(variable == wanted or (not mark and variable.startswith(wanted)) for variable in variables):
                found.append(pid)
    return found


def kill(pids: list[int]) -> None:
    """Kill processes; those that have ended meanwhile are none of them."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
