"""Measures an endpoint at one or more loads with AIPerf."""

import itertools
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from dgdr_api.formatting import significant
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.manifest import dump_documents
from dgdr_controller.profiler.measurement import aiperf_process
from dgdr_controller.profiler.measurement.acceptance import (
    AcceptedRun,
    NotAcceptedError,
    accept,
    point_of,
    read_manifest,
)
from dgdr_controller.profiler.measurement.aiperf import MAX_BYTES
from dgdr_controller.profiler.measurement.aiperf_process import Ended
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load, configuration
from dgdr_controller.profiler.measurement.records import Records

_CONFIGURATION = "aiperf.yaml"
_EXPORTS = "exports"
_MANIFEST = "phase_manifest.json"
_RECORDS = "profile_export.jsonl"
_LONGEST_REASON = 1500


class Rejected(NamedTuple):
    """A load that could not be measured.

    Attributes:
        concurrency: Requests in flight.
        reason: Why, and the way out.
        by_program: Whether AIPerf itself has failed, before it has asked anything of the endpoint.
    """

    concurrency: int
    reason: str
    by_program: bool = False


@dataclass(frozen=True, slots=True)
class BenchmarkProgress:
    """How far a measurement is.

    Attributes:
        run: Number of the run, from 1.
        runs: How many there are.
        load: What is being measured; None: AIPerf is starting.
        completed: Requests of this load that have been measured.
    """

    run: int
    runs: int
    load: Load | None = None
    completed: int = 0


OnProgress = Callable[[BenchmarkProgress], None]


def measure(  # noqa: PLR0913 - all but the first two by name
    endpoint: Endpoint,
    loads: Sequence[Load],
    *,
    trial: str,
    folder: Path,
    deadline_s: float,
    runs: int = 1,
    seed: int,
    on_progress: OnProgress = lambda _: None,
) -> list[MeasuredPoint | Rejected]:
    """Measure an endpoint. Each run of AIPerf measures all loads, with other prompts than the runs before.

    Args:
        endpoint: What is measured.
        loads: The loads, each of another concurrency.
        trial: Id of the candidate that is deployed there.
        folder: Folder for AIPerf's files, a new one in it for each run.
        deadline_s: Time for all runs in seconds.
        runs: How often the loads are measured; what is returned are medians over the runs that were accepted.
        seed: Decides the prompts; another one for each call on the same deployment, whose prefix cache has them.
        on_progress: Is called several times a second with how far it is.

    Returns:
        For each load what was measured, or why no run of it was accepted.

    Raises:
        ProfilerError: AIPerf is not installed.
        OSError: The folder cannot be written to.
    """
    until = time.monotonic() + deadline_s
    accepted: dict[Load, list[AcceptedRun]] = {load: [] for load in loads}
    rejected: dict[Load, NotAcceptedError] = {}
    for number in range(runs):
        left = until - time.monotonic()
        if number and left <= 0:
            break
        run = _Run(endpoint, loads, _new_folder(folder), BenchmarkProgress(number + 1, runs))
        ended = run.execute(seed + number, left, on_progress)
        for load in loads:
            try:
                accepted[load].append(run.read(load, ended))
            except NotAcceptedError as error:
                rejected[load] = error
    return [
        point_of(trial, load, accepted[load]) if accepted[load] else _rejected(load, rejected[load]) for load in loads
    ]


def _rejected(load: Load, error: NotAcceptedError) -> Rejected:
    return Rejected(load.concurrency, str(error)[:_LONGEST_REASON], error.by_program)


def _new_folder(folder: Path) -> Path:
    """Make a folder of its own for a run: nothing of an earlier one is taken for this one's."""
    paths = (folder / f"run-{number}" for number in itertools.count(1))
    path = next(path for path in paths if not path.exists())
    path.mkdir(parents=True)
    return path


class _Run:
    """One run of AIPerf.

    Args:
        endpoint: What is measured.
        loads: The loads.
        folder: Its folder.
        progress: Which run it is.
    """

    def __init__(self, endpoint: Endpoint, loads: Sequence[Load], folder: Path, progress: BenchmarkProgress) -> None:
        self._endpoint, self._loads, self._folder, self._progress = endpoint, loads, folder, progress
        self._exports = folder / _EXPORTS

    def execute(self, seed: int, deadline_s: float, on_progress: OnProgress) -> Ended:
        """Run it, or as much of it as the deadline allows."""
        asked = configuration(self._endpoint, self._loads, self._exports, seed, deadline_s)
        path = self._folder / _CONFIGURATION
        path.write_text(dump_documents([asked]), encoding="utf-8")
        on_progress(self._progress)
        records = Records(self._exports / _RECORDS)

        def poll() -> None:
            counted = records.read()
            load = next((load for load in reversed(self._loads) if load.phase in counted), None)
            if load is not None:
                completed = counted[load.phase]
                on_progress(replace(self._progress, load=load, completed=completed))

        return aiperf_process.run(path, self._folder, deadline_s, poll)

    def read(self, load: Load, ended: Ended) -> AcceptedRun:
        """Return what was measured of a load.

        Raises:
            NotAcceptedError: It does not count.
        """
        if ended.code is None:
            within = f"{significant(ended.clocks.elapsed_s)} s"
            raise NotAcceptedError(f"AIPerf did not end within {within}; allow more time or measure fewer loads")
        if ended.code or not (manifest := self._content(_MANIFEST)):
            silent = bool(ended.code) and not Records(self._exports / _RECORDS).read()
            raise NotAcceptedError(self._failure(ended), by_program=silent)
        phase = read_manifest(manifest).get(load.phase)
        if phase is None:
            raise NotAcceptedError("AIPerf wrote no results for this load; measure again")
        return accept(load, self._endpoint, phase, self._content(phase.metrics_json), ended.clocks)

    def _failure(self, ended: Ended) -> str:
        """Say why AIPerf has measured nothing: requests that failed, or the end of its log."""
        error = Records(self._exports / _RECORDS).first_error()
        if error is not None:
            asked = f"model {self._endpoint.model} at {self._endpoint.url}"
            return f"no request succeeded, the first failed with {error}; see that the endpoint serves {asked}"
        code = ended.code or 0
        how = f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        return f"AIPerf {how} and without results: {ended.last_lines}; measure again"

    def _content(self, name: str) -> bytes:
        """Return the beginning of an export; empty where there is none."""
        path = self._exports / name
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
