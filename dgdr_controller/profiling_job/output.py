"""The ConfigMap between publisher and controller: what is written into it, and how it is read.

Keys as the sidecar of Dynamo's profiling Job writes them, and ours: progress, results, whose they are. The publisher
writes them while the profiler runs; files that are made of the results are the controller's, which chooses.
"""

import base64
import gzip
import io
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dgdr_api.errors import located
from dgdr_api.names import OUTPUT_PREFIX
from dgdr_api.results import RESULTS_FILE, Results
from dgdr_api.trials import TrialLog, TrialReport
from dgdr_controller.kinds import ConfigMap
from dgdr_controller.profiling_job.protocol import FINAL_CONFIG, INPUT_FILE, SPEC_FILE, RunState, RunStatus

_PACKED = {name: f"{name}.gz" for name in (RESULTS_FILE, FINAL_CONFIG)}
"""Keys of what a profiler comes to: ours to results, Dynamo's to a deployment."""
_LIMIT = 900 * 1024
"""Bytes of base64 that fit into a ConfigMap (1 MiB) beside the rest."""
_FILES_LIMIT = 992 * 1024
"""Bytes of that and of files for people; what is left is for the texts of the publisher."""
LEFT_OUT = "left_out"
"""Key of a text about files that did not fit."""
_TRIALS, _TRIAL_STATUS = "trials", "trial_status"
"""Keys of what a thorough search wants and knows, and of how far its deployments are: the controller's answer."""
_CACHED = frozenset(
    (
        *("phase", "message", "profiler_status", "profiler_error", "profiler_exit_code", "progress"),
        *("job_uid", "inputs", _TRIALS, _TRIAL_STATUS),
    )
)
"""Keys of an output that a cache keeps."""
_UNPACKED_LIMIT = 64 * 1024 * 1024
_INT32 = 2**31


class TooLargeError(Exception):
    """The results do not fit into a ConfigMap."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a profiling Job has published.

    Attributes:
        job_uid: UID of the Job that wrote it.
        inputs: Hash of what that Job worked from.
        run: Where its run is.
        packed: The results, packed; empty: they are there and were not read; None: they are not there yet.
        file: Which file they are: `RESULTS_FILE`, or `FINAL_CONFIG` of Dynamo's profiler.
        trials: What a thorough search wants to be deployed and has measured, as JSON; empty: nothing.
    """

    job_uid: str
    inputs: str
    run: RunStatus
    packed: str | None = None
    file: str = RESULTS_FILE
    trials: str = ""

    @property
    def has_results(self) -> bool:
        """Whether there are results."""
        return self.packed is not None

    @property
    def is_deployment(self) -> bool:
        """Whether they are a deployment, of Dynamo's profiler, and there are no candidates to choose from."""
        return self.file == FINAL_CONFIG

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.run.status is not RunState.RUNNING

    def results(self) -> Results:
        """Unpack the results of our profiler.

        Raises:
            ValueError: They are not what this version reads.
        """
        try:
            return Results.model_validate_json(self._text(), by_alias=True, by_name=False)
        except ValidationError as error:
            first = located(error.errors(include_url=False, include_input=False)[0])
            raise ValueError(f"the published results cannot be read: {first}") from error
        except ValueError as error:
            raise ValueError(f"the published results cannot be read: {error}") from error

    @property
    def trial_log(self) -> TrialLog | None:
        """What a thorough search wants to be deployed and has measured; None where that cannot be read."""
        try:
            return TrialLog.model_validate_json(self.trials, by_alias=True, by_name=False)
        except ValueError:
            return None

    def deployment(self) -> str:
        """Unpack the deployment that Dynamo's profiler made, as YAML.

        Raises:
            ValueError: It cannot be unpacked.
        """
        try:
            return self._text().decode()
        except ValueError as error:
            raise ValueError(f"the published {FINAL_CONFIG} cannot be read: {error}") from error

    def _text(self) -> bytes:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(self.packed or ""))) as file:
                return file.read(_UNPACKED_LIMIT)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise ValueError(str(error)) from error


def data(output: Output) -> dict[str, Any]:
    """Return what goes into the ConfigMap: fields ``data`` and ``binaryData``.

    Raises:
        TooLargeError: The results do not fit.
    """
    run = output.run
    progress = {"completed": run.completed, "total": run.total, "message": run.message}
    packed = output.packed or ""
    if len(packed) > _LIMIT:
        raise TooLargeError(f"results of {len(packed)} bytes, packed, do not fit into a ConfigMap")
    return {
        "data": {
            "phase": run.phase,
            "message": run.message,
            "profiler_status": run.status,
            "profiler_error": run.error,
            "profiler_exit_code": "" if run.exit_code is None else str(run.exit_code),
            "progress": json.dumps(progress),
            "job_uid": output.job_uid,
            "inputs": output.inputs,
        }
        | ({_TRIALS: output.trials} if output.trials else {}),
        "binaryData": {_PACKED[output.file]: packed} if packed else {},
    }


def pack(results: bytes) -> str:
    """Pack results for a ConfigMap; the same results give the same text."""
    return base64.b64encode(gzip.compress(results, mtime=0)).decode()


@dataclass(frozen=True, slots=True)
class File:
    """A file for people and tools, beside the results.

    Attributes:
        name: Its key.
        content: Its text.
        elsewhere: Where it can be read, too.
    """

    name: str
    content: str
    elsewhere: str


def files(wanted: Iterable[File], packed: str) -> dict[str, str]:
    """Return what goes into the ConfigMap's ``data`` of files beside the results, the first ones first.

    Args:
        wanted: The files.
        packed: The results, packed, which are there already.
    """
    room, found, missing = _FILES_LIMIT - len(packed), {}, []
    for file in wanted:
        size = len(file.content.encode())
        if size <= room:
            found[file.name] = file.content
            room -= size
        else:
            missing.append(f"{file.name} ({size} bytes) does not fit into this ConfigMap; {file.elsewhere} holds it")
    return found | ({LEFT_OUT: "\n".join(missing)} if missing else {})


def read(config_map: ConfigMap) -> Output | None:
    """Read what has been published; None when nothing has, or by somebody who writes other keys."""
    content = config_map.data
    if content.get("profiler_status") not in set(RunState):
        return None
    progress = _object(content.get("progress", ""))
    file = next((name for name, key in _PACKED.items() if key in config_map.binary_data), RESULTS_FILE)
    return Output(
        job_uid=content.get("job_uid", ""),
        inputs=content.get("inputs", ""),
        run=RunStatus(
            status=RunState(content["profiler_status"]),
            phase=content.get("phase", ""),
            message=content.get("message", ""),
            error=content.get("profiler_error", ""),
            exit_code=_count(_value(content.get("profiler_exit_code", ""))),
            completed=_count(progress.get("completed")) or 0,
            total=_count(progress.get("total")) or 0,
        ),
        packed=config_map.binary_data.get(_PACKED[file]),
        file=file,
        trials=content.get(_TRIALS, ""),
    )


def trial_status(report: TrialReport) -> dict[str, str]:
    """Return what goes into the ConfigMap's ``data`` of how far the deployments of a thorough search are."""
    return {_TRIAL_STATUS: report.model_dump_json(exclude_defaults=True)}


def read_trial_status(config_map: ConfigMap) -> TrialReport:
    """Read how far the deployments of a thorough search are; an empty report where nothing can be read."""
    text = config_map.data.get(_TRIAL_STATUS, "")
    try:
        return TrialReport.model_validate_json(text, by_alias=True, by_name=False)
    except ValueError:
        return TrialReport()


def without_content(config_map: dict[str, Any]) -> dict[str, Any]:
    """Return a ConfigMap without results, files and inputs, for a cache: they are large, and read when needed.

    That there are results can still be seen.
    """
    is_output = config_map["metadata"]["name"].startswith(OUTPUT_PREFIX)
    data = {
        name: text
        for name, text in (config_map.get("data") or {}).items()
        if (name in _CACHED if is_output else name not in (INPUT_FILE, SPEC_FILE))
    }
    return config_map | {"data": data, "binaryData": dict.fromkeys(config_map.get("binaryData") or {}, "")}


def _object(text: str) -> dict[str, Any]:
    value = _value(text)
    return value if isinstance(value, dict) else {}


def _value(text: str) -> object:
    """Read JSON; None where it is none. Whoever may write the ConfigMap can write anything."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _count(value: object) -> int | None:
    """Return a number that the status can show (int32); None for what is none."""
    return value if type(value) is int and 0 <= value < _INT32 else None
