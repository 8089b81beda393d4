"""Trials of a profiling Job: the profiler writes what it wants, the publisher brings what the controller answers."""

import datetime as dt
from pathlib import Path

from dgdr_api.trials import TrialLog, TrialReport, TrialState, TrialStatus
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.profiling_job.protocol import REPORT_FILE, TRIALS_FILE

_NOT_SEEN = TrialStatus(state=TrialState.WAITING, message="the controller has not answered yet")


class TrialFiles:
    """Has the controller deploy trials, through files that the publisher relays.

    Args:
        folder: Where the profiler writes.
        report_folder: Where answers come.
    """

    def __init__(self, folder: Path, report_folder: Path) -> None:
        self._folder, self._report = folder, report_folder / REPORT_FILE

    def earlier(self) -> TrialLog | None:
        """Return what an earlier pod of this search has measured; None where there was none, or nobody has said yet."""
        found = self._read()
        return found.earlier if found else None

    @property
    def is_connected(self) -> bool:
        """Whether the publisher has told what there was before: until then nobody knows what is measured already."""
        return self._read() is not None

    def update(self, log: TrialLog) -> None:
        """Write what is wanted and known. It is published with the status that is written next."""
        write_atomically(self._folder, {TRIALS_FILE: log.model_dump_json(exclude_none=True)})

    def status(self, trial: str) -> TrialStatus:
        """Return how far a trial is."""
        found = self._read()
        return (found.trials.get(trial) if found else None) or _NOT_SEEN

    def ends(self) -> dt.datetime | None:
        """Return when Kubernetes ends the Job; None while nobody has said."""
        found = self._read()
        return found.ends if found else None

    def _read(self) -> TrialReport | None:
        """Read the file; None where there is none, or it is of another version."""
        try:
            return TrialReport.model_validate_json(self._report.read_bytes(), by_alias=True, by_name=False)
        except (OSError, ValueError):
            return None
