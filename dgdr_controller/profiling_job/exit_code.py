"""How the profiler ends. Apart, because the command line needs it before anything that takes time is loaded."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How the profiler ends; 2 is left to the command line's own errors."""

    RESULT = 0
    """A result was written, warnings included."""
    REQUEST_WRONG = 65
    """The user must change the request."""
    NOT_DEPLOYABLE = 69
    """No configuration can be deployed; each candidate says why."""
    INTERNAL = 70
    """An error of ours."""
    INTERRUPTED = 75
    """Interrupted, or a fault that may pass; can be run again."""
