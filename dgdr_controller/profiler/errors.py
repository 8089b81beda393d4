"""Ways in which profiling ends without a deployable result.

ProfilerError
├── RequestRefusedError   the user must change the request          exit 65
├── NotDeployableError    no configuration can be deployed          exit 69
├── OutOfMemoryError      its container needs more memory           exit 70
└── InterruptedRunError   interrupted, or a fault that may pass     exit 75
"""

from typing import ClassVar

from dgdr_controller.profiling_job.exit_code import ExitCode


class ProfilerError(Exception):
    """Base of the profiler's errors; the message is for the person who wrote the request."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL


class RequestRefusedError(ProfilerError):
    """The user must change the request."""

    exit_code = ExitCode.REQUEST_WRONG


class NotDeployableError(ProfilerError):
    """No configuration can be deployed."""

    exit_code = ExitCode.NOT_DEPLOYABLE


class OutOfMemoryError(ProfilerError):
    """Processes were killed for want of memory: another run of as little would end alike."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}; raise resources.limits.memory of container profiler in spec.overrides.profilingJob")


class InterruptedRunError(ProfilerError):
    """The run was interrupted and can be repeated."""

    exit_code = ExitCode.INTERRUPTED
