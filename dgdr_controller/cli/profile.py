"""``dgdr profile``: the program of the profiling Job. Its files are what the publisher and the controller see."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import click
from pydantic import ValidationError

from dgdr_api import InvalidRequestError
from dgdr_api.errors import located
from dgdr_api.measurements import Measurements
from dgdr_api.results import RESULTS_FILE, Results
from dgdr_controller.cli.files import write_atomically
from dgdr_controller.deployment.render.releases import NEWEST, release_of, version_of
from dgdr_controller.manifest import dump_documents
from dgdr_controller.profiler.errors import InterruptedRunError, NotDeployableError, ProfilerError
from dgdr_controller.profiler.rapid import SEARCH_DEADLINE_S, rapid
from dgdr_controller.profiler.request import request_in_cluster
from dgdr_controller.profiler.selection.notes import nothing_deployable
from dgdr_controller.profiler.simulation.collect import Progress, Step
from dgdr_controller.profiler.simulation.messages import Search
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.protocol import STATUS_FILE, JobInput, ProfilingPhase, RunState, RunStatus

_DEADLINE_S = 1680.0
"""Two minutes less than a Job has by default: what ends the Job deletes its pods, and nobody would hear of it."""

_PHASES = {Step.SURVEY: ProfilingPhase.INITIALIZING, Step.CURVES: ProfilingPhase.BUILDING_CURVES}


@click.command()
@click.option(
    "--config", required=True, type=click.Path(path_type=Path), help="File with the request and its hardware."
)
@click.option(
    "--output-dir", "folder", required=True, type=click.Path(path_type=Path), help="Folder to write results to."
)
@click.option(
    "--deadline", type=click.FloatRange(min=1), default=_DEADLINE_S, show_default=True, metavar="SECONDS",
    help="Time limit for the whole search; what has been found by then is evaluated.",
)  # fmt: skip
def profile(*, config: Path, folder: Path, deadline: float) -> None:
    """Profile a request inside its Job."""
    run = _Run(folder)
    try:
        run.tell(ProfilingPhase.INITIALIZING, "Loading the simulator")
        results = _results(config, run, deadline)
    except ValidationError as error:
        problem = located(error.errors()[0])
        run.fail(ExitCode.INTERNAL, f"{config} is not supported by this profiler: {problem}")
    except InvalidRequestError as error:
        run.fail(ExitCode.REQUEST_WRONG, str(error))
    except ProfilerError as error:
        run.fail(error.exit_code, str(error))
    except KeyboardInterrupt:
        run.fail(InterruptedRunError.exit_code, "interrupted; the next pod starts over")
    except Exception as error:
        run.fail(ExitCode.INTERNAL, f"internal error, please report it: {type(error).__name__}: {error}")
        raise
    run.finish(results)


def _results(config: Path, run: "_Run", deadline: float) -> Results:
    job_input = JobInput.model_validate_json(config.read_text(), by_alias=True, by_name=False)
    version = version_of(job_input.release)
    release = release_of(version) if version else NEWEST
    request = request_in_cluster(job_input.request, job_input.hardware, release)
    request = replace(request, measurements=job_input.measurements or Measurements())
    until = time.monotonic() + deadline
    results = rapid(request, run, SEARCH_DEADLINE_S, until)
    if results.choice is None:
        raise NotDeployableError(nothing_deployable(results))
    return results


class _Run:
    """Writes down where the run is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._searches: dict[Search, bool] = {}
        self._total = 0

    def __call__(self, progress: Progress) -> None:
        """Take a step of the search."""
        if isinstance(progress.search, Step):
            self._total = progress.total or self._total
            self.tell(_PHASES[progress.search], progress.state, sum(self._searches.values()), self._total)
            return
        self._searches[progress.search] = progress.finished
        done, search = sum(self._searches.values()), progress.search
        self.tell(
            ProfilingPhase.SWEEPING_DECODE,
            f"{search.title}: {progress.state}",
            done,
            self._total,
        )

    def tell(self, phase: ProfilingPhase, message: str, completed: int = 0, total: int = 0) -> None:
        """Write the status of a run that goes on."""
        self._write(RunStatus(status=RunState.RUNNING, phase=phase, message=message, completed=completed, total=total))
        click.echo(f"{phase}: {message}", err=True)

    def fail(self, code: ExitCode, message: str) -> None:
        """Write why it ends, say it for the termination message, and end."""
        phase = ProfilingPhase.SWEEPING_DECODE if self._searches else ProfilingPhase.INITIALIZING
        self._write(RunStatus(status=RunState.FAILED, phase=phase, message=message, error=message, exit_code=code))
        click.echo(f"Error: {message}", err=True)
        sys.exit(code)

    def finish(self, results: Results) -> None:
        """Write the results, and only then that they are there."""
        write_atomically(self._folder, {RESULTS_FILE: results.model_dump_json(exclude_none=True)})
        done = len(self._searches)
        message = f"{len(results.candidates)} candidates, {len(results.pareto)} on the Pareto front"
        self._write(
            RunStatus(
                status=RunState.SUCCESS,
                phase=ProfilingPhase.DONE,
                message=message,
                exit_code=ExitCode.RESULT,
                completed=done,
                total=done,
            )
        )
        click.echo(f"{ProfilingPhase.DONE}: {message}", err=True)

    def _write(self, status: RunStatus) -> None:
        content = status.model_dump(mode="json", exclude_none=True)
        write_atomically(self._folder, {STATUS_FILE: dump_documents([content])})
