"""Programs that build: run with progress, ended with what they have started, their failure told in a sentence."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hack.cluster.children import finish
from hack.cluster.progress import ClusterError, way_out


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs programs while a lock is held.

    Attributes:
        lock: File descriptor of the lock. Programs inherit it: should this process be killed, the next build waits for
            what it has left running.
        environment: What programs see besides this process's environment.
    """

    lock: int
    environment: Mapping[str, str]

    def run(self, *command: str, on_line: Callable[[str], None] | None = None) -> str:
        """Run a program to its end; return what it has printed.

        Args:
            command: Program and arguments.
            on_line: Is told each line as it is printed.

        Raises:
            ClusterError: It fails.
        """
        process = subprocess.Popen(  # noqa: S603 - our own words
            command,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[self.lock],
            start_new_session=True,
        )
        printed = finish(process, on_line)[0]
        if process.returncode:
            raise ClusterError(_failure(command, process.returncode, printed))
        return printed


def _failure(command: tuple[str, ...], code: int, printed: str) -> str:
    last = "\n".join(printed.strip().splitlines()[-15:])
    return f"{command[0]} ended with exit code {code}:\n{last}{way_out(printed)}"
