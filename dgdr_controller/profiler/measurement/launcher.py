"""``python launcher.py PROGRAM ARGUMENT…``: becomes a program that ends with the one that has started it.

Signals that its parent holds back while it is started are let through again. It imports nothing of this package: it is
there in milliseconds.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Become the program.

    Args:
        parent: Process that has started this one.
        command: Program and arguments.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it could be followed
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(command[0], command)  # noqa: S606 - what is started is the caller's choice


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
