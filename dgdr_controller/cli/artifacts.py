"""What the profiler leaves for people in the output volume: in a process of its own, so that it costs no result.

The volume is somebody else's: it may be full, read-only, slow, or hang.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dgdr_api.results import RESULTS_FILE, Results
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.profiler.simulation.collect import Pool
from dgdr_controller.profiler.simulation.worker_pool import Answered, Lost, Refused
from dgdr_controller.profiling_job.protocol import FINAL_CONFIG

LOG_FILE = "profiler.log"
_DEADLINE_S = 60.0
_NOT_KEPT = "The output volume does not have all files of the profiler: {}. The result is complete without them"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What is left in a folder.

    Attributes:
        folder: The folder.
        texts: Texts by name.
        results: What plots and raw data are made of; None: there are none.
    """

    folder: Path
    texts: Mapping[str, str] = field(default_factory=dict)
    results: Results | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """A folder that is kept.

    Attributes:
        source: The folder.
        target: What becomes of it.
    """

    source: Path
    target: Path


def keep(artifacts: Artifacts, pool: Pool) -> str | None:
    """Write the files; return a sentence where not all of them could be written."""
    return _kept(pool.run(write, [artifacts], _DEADLINE_S, float("inf")))


def keep_folder(copied: Copied, pool: Pool) -> str | None:
    """Copy a folder; return a sentence where that is not possible."""
    return _kept(pool.run(copy, [copied], _DEADLINE_S, float("inf")))


def copy(copied: Copied) -> str | None:
    """Run in a worker: copy a folder.

    Returns:
        What failed; None: nothing did.
    """
    try:
        shutil.copytree(copied.source, copied.target, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        return f"{copied.target}: {error}"
    return None


def _kept(events: Iterable[object]) -> str | None:
    for event in events:
        match event:
            case Answered(answer=problem):
                return _NOT_KEPT.format(problem) if problem else None
            case Refused(error=error, message=message):
                return _NOT_KEPT.format(f"{error}: {message}")
            case Lost(reason=reason):
                return _NOT_KEPT.format(f"writing them {reason}" if reason.startswith("took") else reason)
    return None


def write(artifacts: Artifacts) -> str | None:
    """Run in a worker: write texts first, then what is made of the results; remove what an earlier run has left.

    Returns:
        What failed; None: nothing did.
    """
    # Only here are NumPy and matplotlib needed, which the controller's image does not have.
    from dgdr_controller.profiler.artifacts.plots import PLOTS, plots  # noqa: PLC0415
    from dgdr_controller.profiler.artifacts.raw_data import RAW_DATA, raw_data  # noqa: PLC0415

    folder, results = artifacts.folder, artifacts.results
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder, artifacts.texts)
        made: dict[str, str | bytes] = {**raw_data(results), **plots(results)} if results else {}
        for name in made:
            (folder / name).parent.mkdir(exist_ok=True)
        write_atomically(folder, made)
        for name in {RESULTS_FILE, FINAL_CONFIG, *RAW_DATA.values(), *PLOTS} - {*artifacts.texts, *made}:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        return f"{error.filename or folder}: {error.strerror or error}"
    return None
