"""``dgdr profile``: the program of the profiling Job. Its files are what the publisher and the controller see."""

import datetime as dt
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from pydantic import ValidationError

from dgdr_api import InvalidRequestError
from dgdr_api.candidate import Role
from dgdr_api.errors import located
from dgdr_api.measurements import Measurements
from dgdr_api.request_warnings import ConfigurationWarning
from dgdr_api.results import RESULTS_FILE, Results
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.cli.artifacts import LOG_FILE, Artifacts, Copied, keep, keep_folder
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.deployment.compose import compose_first
from dgdr_controller.deployment.conversion.versions import to_v1alpha1
from dgdr_controller.deployment.render.releases import NEWEST, release_of, version_of
from dgdr_controller.manifest import dump_documents
from dgdr_controller.profiler.errors import InterruptedRunError, NotDeployableError, ProfilerError
from dgdr_controller.profiler.measurement import aiperf_process
from dgdr_controller.profiler.measurement.benchmark import Rejected, measure
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load
from dgdr_controller.profiler.measurement.served_models import served_models
from dgdr_controller.profiler.measurement.trial_files import TrialFiles
from dgdr_controller.profiler.measurement.trials import Budget, Cluster, Found
from dgdr_controller.profiler.rapid import SEARCH_DEADLINE_S, rapid, summary
from dgdr_controller.profiler.request import request_in_cluster
from dgdr_controller.profiler.selection.notes import nothing_deployable
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.collect import Progress, Step
from dgdr_controller.profiler.simulation.messages import Search
from dgdr_controller.profiler.simulation.worker_pool import WorkerPool
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.protocol import (
    FINAL_CONFIG,
    STATUS_FILE,
    JobInput,
    ProfilingPhase,
    RunState,
    RunStatus,
)
from dgdr_controller.results.content import graph_request

_DEADLINE_S = 1680.0
"""Two minutes less than a Job has by default: what ends the Job deletes its pods, and nobody would hear of it."""

_PUBLISHER_S = 300.0
"""How long the publisher may take to bring what was measured before: the API server may be away."""
_DEPLOYMENT = "dgd.yaml"
"""File of the output volume: the deployment that was measured."""
_LOOK_S = 0.2

_PHASES = {
    Step.SURVEY: ProfilingPhase.INITIALIZING,
    Step.SELECTION: ProfilingPhase.SELECTING_CONFIG,
    Step.CURVES: ProfilingPhase.BUILDING_CURVES,
    Step.MEASUREMENT: ProfilingPhase.SWEEPING_DECODE,
}
_ORDER = list(ProfilingPhase)


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
@click.option(
    "--base", type=click.Path(path_type=Path),
    help="File with the deployment that the plan is put into, if the request names one.",
)  # fmt: skip
@click.option(
    "--artifacts-dir", "artifacts", type=click.Path(path_type=Path),
    help="Folder to also write results, deployment, plots, raw data and log to; a failure there is a warning.",
)  # fmt: skip
@click.option(
    "--report-dir", "report_folder", type=click.Path(path_type=Path),
    help="Folder with the controller's answers; a thorough search needs it to have configurations deployed.",
)  # fmt: skip
@click.option(
    "--gpu-hours", type=click.IntRange(min=1),
    help="GPU hours that the deployments may take which a thorough search measures; the request may say otherwise.",
)  # fmt: skip
def profile(  # noqa: PLR0913 - an option each
    *,
    config: Path,
    folder: Path,
    deadline: float,
    base: Path | None,
    artifacts: Path | None,
    report_folder: Path | None,
    gpu_hours: int | None,
) -> None:
    """Profile a request inside its Job."""
    run = _Run(folder, artifacts)
    try:
        run.tell(ProfilingPhase.INITIALIZING, "Loading the simulator")
        job_input = JobInput.model_validate_json(config.read_text(), by_alias=True, by_name=False)
        until = time.monotonic() + deadline
        measuring = Measuring(report_folder, gpu_hours) if report_folder else None
        results = _results(job_input, run, until, measuring)
        run.tell(ProfilingPhase.GENERATING_DGD, "Writing the deployment and the results")
        results = run.keep(results, _final_config(results, job_input, base, run))
    except ValidationError as error:
        problem = located(error.errors()[0])
        run.fail(ExitCode.INTERNAL, f"{config} is not supported by this profiler: {problem}")
    except InvalidRequestError as error:
        run.fail(ExitCode.REQUEST_WRONG, str(error))
    except ProfilerError as error:
        run.fail(error.exit_code, str(error))
    except KeyboardInterrupt:
        run.fail(InterruptedRunError.exit_code, "interrupted; the next pod goes on")
    except Exception as error:
        run.fail(ExitCode.INTERNAL, f"internal error, please report it: {type(error).__name__}: {error}")
        raise
    run.finish(results)


class Measuring(NamedTuple):
    """What a thorough search works with.

    Attributes:
        report_folder: Where the controller's answers come.
        gpu_hours: GPU hours that it may take, where the request does not say; None: no limit.
    """

    report_folder: Path
    gpu_hours: int | None


def _results(job_input: JobInput, run: "_Run", until: float, measuring: Measuring | None) -> Results:
    version = version_of(job_input.release)
    release = release_of(version) if version else NEWEST
    request = request_in_cluster(job_input.request, job_input.hardware, release)
    request = replace(request, measurements=job_input.measurements or Measurements())
    if measuring is None:
        results = rapid(request, run, SEARCH_DEADLINE_S, until)
    else:
        from dgdr_controller.profiler.thorough import thorough  # noqa: PLC0415 - numpy: the controller's image has none

        cluster = run.cluster(measuring.report_folder, until)
        results = thorough(request, run, cluster, Budget(until, measuring.gpu_hours))
    if results.choice is None:
        raise NotDeployableError(nothing_deployable(results))
    return results


def _measured(  # noqa: PLR0913 - all but the first four by name
    artifacts: Path | None,
    trials: TrialFiles,
    endpoint: Endpoint,
    load: Load,
    *,
    trial: str,
    seed: int,
    deadline_s: float,
) -> Found:
    """Measure a trial, and keep AIPerf's files where somebody wants them: that costs no measurement."""
    with tempfile.TemporaryDirectory(prefix="trial-") as temporary:
        folder = Path(temporary) / "aiperf" / f"{load.concurrency}-{seed}"
        folder.mkdir(parents=True)
        try:
            served = served_models(endpoint.url)
        except OSError as error:
            return Rejected(load.concurrency, f"{endpoint.url} {error}")
        asked = replace(endpoint, model=served[0]) if served and len(served) == 1 else endpoint
        found = measure(asked, [load], trial=trial, folder=folder, deadline_s=deadline_s, seed=seed)[0]
        if artifacts:
            if deployment := trials.status(trial).deployment:
                (Path(temporary) / _DEPLOYMENT).write_text(deployment, encoding="utf-8")
            copied = Copied(Path(temporary), artifacts / trial)
            if problem := keep_folder(copied, _pool()):
                click.echo(problem, err=True)
        return found


def _final_config(results: Results, job_input: JobInput, base: Path | None, run: "_Run") -> dict[str, str]:
    """Compose the deployment as the controller will, which decides: where it cannot be, the log says why."""
    deployment = job_input.deployment
    if deployment is None:
        return {}
    offered = (candidate for candidate in results.candidates if candidate.is_offered)  # the choice first
    try:
        users = read_base(base.read_text()) if base else None
        request = graph_request(results, users, job_input.request.metadata.uid)
        _, made = compose_first(offered, request, deployment.settings())
        documents = [*made.config_maps, to_v1alpha1(made.graph) if deployment.v1alpha1 else made.graph]
    except Exception as error:  # noqa: BLE001 - it costs no result: the controller composes it, too, and reports
        run.note(f"{FINAL_CONFIG} is not written: {error}")
        return {}
    return {FINAL_CONFIG: dump_documents(documents)}


def _sweep(progress: Progress) -> ProfilingPhase:
    """Return the sub-phase that a search has come to: it estimates prefill workers first, then decode workers.

    Aggregated workers do both, and both are estimated at once: until it is done, such a search counts as the former.
    """
    decodes = progress.finished or progress.role is Role.DECODE
    return ProfilingPhase.SWEEPING_DECODE if decodes else ProfilingPhase.SWEEPING_PREFILL


def _text(results: Results) -> str:
    return results.model_dump_json(exclude_none=True)


def _stamped(line: str) -> str:
    """Return a line of the log, with the time."""
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n"


def _pool() -> WorkerPool:
    return WorkerPool(preload=PRELOAD)


class _Run:
    """Writes down where the run is. It goes through the sub-phases in their order, though searches run at once."""

    def __init__(self, folder: Path, artifacts: Path | None) -> None:
        self._folder = folder
        self._artifacts = artifacts
        self._log: list[str] = []
        self._phase = ProfilingPhase.INITIALIZING
        self._searches: dict[Search, bool] = {}
        self._total = 0
        self._measured: int | None = None

    def cluster(self, report_folder: Path, until: float) -> Cluster:
        """Return what a thorough search deploys and measures with; wait until the publisher is there.

        Raises:
            InterruptedRunError: It does not come.
            ProfilerError: AIPerf is not installed.
        """
        aiperf_process.program()  # before anything is deployed
        trials = TrialFiles(self._folder, report_folder)
        limit = min(until, time.monotonic() + _PUBLISHER_S)
        while not trials.is_connected:
            if time.monotonic() > limit:
                raise InterruptedRunError(f"no answer has come into {report_folder}: the publisher does not run")
            time.sleep(_LOOK_S)
        return Cluster(trials, partial(_measured, self._artifacts, trials))

    def __call__(self, progress: Progress) -> None:
        """Take a step of the search."""
        if isinstance(progress.search, Step):
            self._total = progress.total or self._total
            if progress.search is Step.MEASUREMENT:
                self._measured = progress.completed
            self.tell(_PHASES[progress.search], progress.state)
            return
        self._searches[progress.search] = progress.finished
        self.tell(_sweep(progress), f"{progress.search.title}: {progress.state}")

    def tell(self, phase: ProfilingPhase, message: str) -> None:
        """Write the status of a run that goes on."""
        self._phase = max(self._phase, phase, key=_ORDER.index)
        status = RunStatus(
            status=RunState.RUNNING,
            phase=self._phase,
            message=message,
            completed=sum(self._searches.values()) if self._measured is None else self._measured,
            total=self._total,
        )
        self._write(status)
        self.note(f"{self._phase}: {message}")

    def note(self, line: str) -> None:
        """Write a line of the log."""
        self._log.append(_stamped(line))
        click.echo(line, err=True)

    def fail(self, code: ExitCode, message: str) -> None:
        """Write why it ends, say it for the termination message, and end."""
        status = RunStatus(status=RunState.FAILED, phase=self._phase, message=message, error=message, exit_code=code)
        self._write(status)
        self.note(f"Error: {message}")
        if self._artifacts and (problem := keep(Artifacts(self._artifacts, self._log_file()), _pool())):
            click.echo(problem, err=True)
        sys.exit(code)

    def keep(self, results: Results, final_config: dict[str, str]) -> Results:
        """Write the files for people; return the results, with a warning where not all of them could be written.

        Before the results are published: who waits for them is told.
        """
        files = {RESULTS_FILE: _text(results)} | final_config
        write_atomically(self._folder, final_config)
        if self._artifacts is None:
            return results
        log = self._log_file(f"{ProfilingPhase.DONE}: {summary(results)}")
        problem = keep(Artifacts(self._artifacts, files | log, results), _pool())
        if problem is None:
            return results
        self.note(problem)
        return results.model_copy(update={"warnings": (*results.warnings, ConfigurationWarning.note(problem))})

    def _log_file(self, *lines: str) -> dict[str, str]:
        return {LOG_FILE: "".join([*self._log, *map(_stamped, lines)])}

    def finish(self, results: Results) -> None:
        """Write the results, and only then that they are there."""
        write_atomically(self._folder, {RESULTS_FILE: _text(results)})
        done = len(self._searches)
        message = summary(results)
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
