"""The command line, ``dgdr``.

Exit codes: 0 done, 65 the request is wrong, 69 no configuration can be deployed, 70 an error of ours,
75 interrupted or a fault that may pass; 2 is a wrong use of the command line itself.
"""

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import NoReturn

from dgdr_controller.profiling_job.exit_code import ExitCode

DEBUG = "DGDR_DEBUG"
"""Variable that has an exception that nobody expects shown with its traceback."""


def main() -> None:
    """Run the command line. Whatever ends it, it ends with one line for a person and a code for a program."""
    try:
        signal.signal(signal.SIGTERM, interrupt)
        if sys.argv[1:2] == ["publish"]:  # told to stop before it has begun, it still has to publish: it looks then
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        run("dgdr_controller.cli.commands")
    except KeyboardInterrupt:
        exec("")  # noqa: S102 - one within an exec of a library is remembered: python -m would end by SIGINT, not with 75
        _end(ExitCode.INTERRUPTED, "interrupted")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains again while it closes
        sys.exit(1)
    except OSError as error:
        _end(ExitCode.INTERRUPTED, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _end(ExitCode.INTERNAL, internal_error(error))


def internal_error(error: Exception) -> str:
    """Return what a person reads of an exception that nobody expects."""
    return f"internal error, please report it: {type(error).__name__}: {error} (set {DEBUG}=1 for a traceback)"


def run(commands: str, name: str | None = None) -> None:
    """Run a group of commands, imported here, so that an interrupt while modules load is one line, too.

    Args:
        commands: Module that has the group, as ``dgdr``.
        name: What its user calls it; None: the program's name.

    Raises:
        KeyboardInterrupt: It was interrupted.
    """
    import click  # noqa: PLC0415

    try:
        sys.exit(import_module(commands).dgdr.main(prog_name=name, standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None


def interrupt(_: int, __: FrameType | None) -> NoReturn:
    """Handle SIGTERM as Ctrl-C."""
    raise KeyboardInterrupt


def _end(code: ExitCode, line: str) -> NoReturn:
    sys.stderr.write(f"dgdr: {line}\n")
    sys.exit(code)
