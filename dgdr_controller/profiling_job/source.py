"""The files that a profiler writes, as what is published of them: those of ours, and those of Dynamo's."""

import contextlib
import errno
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from dgdr_api.results import RESULTS_FILE
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.profiling_job.protocol import (
    FINAL_CONFIG,
    STATUS_FILE,
    TRIALS_FILE,
    ProfilingPhase,
    RunState,
    RunStatus,
)

_STATUS_LIMIT = 1024 * 1024
_RESULTS_LIMIT = 64 * 1024 * 1024
_TRIALS_LIMIT = 512 * 1024
"""So that they fit into a ConfigMap beside the rest."""


class Profiler(NamedTuple):
    """How a profiler's files are read.

    Attributes:
        status: Makes a status of what it writes into its status file.
        result: The file that it comes to.
        settles_s: For how long its status file must have been as it is: one that is written over the one before may
            be seen half written.
    """

    status: Callable[[Any], RunStatus]
    result: str
    settles_s: float = 0.0


def _status(content: Any) -> RunStatus:
    return RunStatus.model_validate_json(json.dumps(content), by_alias=True, by_name=False)


def _dynamos_status(content: Any) -> RunStatus:
    """Read a status of Dynamo's profiler: before 1.1 it names no sub-phase, and who fails early names none.

    Raises:
        ValidationError: It has no state.
        TypeError: It is no mapping.
    """
    status = {name: str(content.get(name) or "") for name in ("status", "phase", "message", "error")}
    status["phase"] = status["phase"] or ProfilingPhase.INITIALIZING
    if status["status"] == RunState.FAILED:
        status["error"] = status["error"] or status["message"] or "the profiler does not say why"
    return _status(status)


PROFILERS = {"dgdr": Profiler(_status, RESULTS_FILE), "dynamo": Profiler(_dynamos_status, FINAL_CONFIG, 1.0)}
"""By their names: the one of this project, and Dynamo's."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose files are published.

    Attributes:
        folder: Where the profiler writes.
        job_uid: UID of its Job.
        inputs: Hash of what it works from.
        profiler: How its files are read.
        volume: Volume that the folder is in, which the profiler cannot put in another place; None: the folder is it.
    """

    folder: Path
    job_uid: str
    inputs: str
    profiler: Profiler = PROFILERS["dgdr"]
    volume: Path | None = None

    def version(self) -> tuple[int, int] | None:
        """Return what tells the files of one moment from those of another: the status is replaced last.

        None before there is a status, and while it is being written.
        """
        try:
            with self._opened(STATUS_FILE) as file:
                found = os.fstat(file)
        except OSError:
            return None
        if 0 <= time.time() - found.st_mtime < self.profiler.settles_s:
            return None
        return found.st_mtime_ns, found.st_ino

    def read(self) -> Output | None:
        """Read the files as they are now; None before there is a status.

        Raises:
            ValueError: They are not what this version reads.
        """
        try:
            status = self._bounded(STATUS_FILE, _STATUS_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ValueError(f"{STATUS_FILE} cannot be read: {error.strerror}") from error
        try:
            run = self.profiler.status(yaml.safe_load(status))
        except (yaml.YAMLError, ValidationError, TypeError, AttributeError) as error:
            raise ValueError(f"{STATUS_FILE} cannot be read: {error}") from error
        if run.status is not RunState.SUCCESS:
            return Output(self.job_uid, self.inputs, run, trials=self._trials())
        result = self.profiler.result
        try:
            packed = output.pack(self._bounded(result, _RESULTS_LIMIT))
        except OSError as error:
            raise ValueError(f"{result} cannot be read: {error.strerror}") from error
        return Output(self.job_uid, self.inputs, run, packed, result)

    def _trials(self) -> str:
        """Read what a thorough search wants and knows; empty where there is none.

        Raises:
            ValueError: It cannot be read.
        """
        try:
            return self._bounded(TRIALS_FILE, _TRIALS_LIMIT).decode()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise ValueError(f"{TRIALS_FILE} cannot be read: {error.strerror}") from error

    def _bounded(self, name: str, limit: int) -> bytes:
        with self._opened(name) as opened, open(opened, "rb", closefd=False) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"{name} is longer than {limit} bytes")
        return content

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """Open a file as it lies in the volume, by no link: who writes it must not lead its reader to other files.

        Raises:
            OSError: It is not there, it or a folder on the way is a link, or it is no file.
        """
        volume = self.volume or self.folder
        flags = os.O_RDONLY | os.O_CLOEXEC
        fd = os.open(volume, flags | os.O_DIRECTORY)
        try:
            for part in (*self.folder.relative_to(volume).parts, name):
                kind = os.O_NONBLOCK if part == name else os.O_DIRECTORY
                within, fd = fd, os.open(part, flags | os.O_NOFOLLOW | kind, dir_fd=fd)
                os.close(within)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            yield fd
        finally:
            os.close(fd)
