"""The kubectl plugin, ``kubectl dgdr``: everything that one wants to do with a request, each in one short command.

Exit codes: 0 done, 1 the request has failed or something is wrong, 2 a wrong use of the command line, 124 the time
given by ``--timeout`` is over, 130 interrupted.
"""

import os
import signal
import sys
from typing import NoReturn

from dgdr_controller.cli import DEBUG, internal_error, interrupt, run

_INTERRUPTED = 130
_EXTRA = ("kr8s", "httpx")
"""Packages that come with the extra ``kubectl`` alone."""
_NOT_INSTALLED = "the plugin's client is not installed: pip install 'dgdr-controller[kubectl]'"


def main() -> None:
    """Run the plugin. Whatever ends it, it ends with one line for a person and a code for a program."""
    try:
        signal.signal(signal.SIGTERM, interrupt)
        run("dgdr_controller.kubectl.commands", "kubectl dgdr")
    except KeyboardInterrupt:
        _end(_INTERRUPTED, "interrupted")
    except BrokenPipeError:
        sys.stderr.close()  # or the interpreter complains again while it closes
        sys.exit(1)
    except OSError as error:
        _end(1, f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        _end(1, _NOT_INSTALLED)
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        _end(1, internal_error(error))


def _end(code: int, line: str) -> NoReturn:
    sys.stderr.write(f"Error: {line}\n")
    sys.exit(code)
