"""How the checkout's programs run: interrupts are heard, and what is wrong is told in one sentence."""

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import click

from hack.cluster.progress import ClusterError, say

INTERRUPTED = 130
"""Exit code, as a shell has it for a program that Ctrl-C has ended."""


def run(program: Callable[[], object], interrupted: str = "interrupted", code: int = INTERRUPTED) -> None:
    """Run a program to its end; exit with a code that is not zero where it fails.

    Args:
        program: What to run; of click, a command's ``main`` with ``standalone_mode=False``.
        interrupted: What to say when it is interrupted.
        code: Exit code then.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        program()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):  # click makes the one of the other
        say(interrupted)
        sys.exit(code)
    except (ClusterError, OSError) as error:  # OSError: a file that cannot be written, a server that went away
        say(f"Error: {error}")
        sys.exit(1)


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
