"""The thorough search: configurations deployed on the cluster and measured.

estimates → options → (what next? → deploy → measure) until nothing better is to be expected → answer

What is done next follows from what is known alone (`next_step`), and what is known is published point by point: a
search that is interrupted goes on where it was.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dgdr_api.candidate import Candidate, Source
from dgdr_api.defaults import resolve
from dgdr_api.formatting import milliseconds, significant
from dgdr_api.preserved import as_far_as_known
from dgdr_api.request_warnings import ConfigurationWarning
from dgdr_api.results import Results
from dgdr_api.trials import FailedTrial, MeasuredPoint, RejectedPoint, TrialLog, TrialState, TrialStatus
from dgdr_controller.profiler.errors import NotDeployableError
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, load_of
from dgdr_controller.profiler.measurement.measured_rows import judged
from dgdr_controller.profiler.measurement.options import Option, options
from dgdr_controller.profiler.measurement.trial_search import Limits, Measure, Step, next_step
from dgdr_controller.profiler.measurement.trials import Budget, Cluster, Found
from dgdr_controller.profiler.naive import by_memory
from dgdr_controller.profiler.rapid import SEARCH_DEADLINE_S, Estimates, estimate
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.results import answer, answer_measured
from dgdr_controller.profiler.simulation import collect
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.collect import Pool, Progress, ProgressCallback
from dgdr_controller.profiler.simulation.planner_curves import with_curves
from dgdr_controller.profiler.simulation.worker_pool import WorkerPool

_POLL_S = 0.5
_NOTHING_MEASURED = (
    "Nothing was measured ({why}): the choice rests on estimates. For another try set annotation dgdr.nvidia.com/retry "
    "to a new value"
)
_SIMULATED = "What was measured are simulated engines (spec.features.mocker): the numbers say nothing of GPUs"
_SLOWER, _LEAST_S, _UNKNOWN_S = 5, 600.0, 3600.0
"""A measurement may take so many times as long as estimated, and ten minutes at least; where nothing is estimated an
hour. What takes longer hangs."""
_WITHOUT_GPUS_S = 1800.0
"""How long a trial may wait for GPUs, where there is much time left; else a quarter of it, and ten minutes at least."""
_LONGEST_REASON = 2000
_LOADS = 2
"""Loads of a trial of which no measurement counts before it has failed."""
_REJECTIONS = 2
"""Measurements of a trial at one load that may be rejected before that load, and what is above, is left out."""


def thorough(
    request: PlanRequest,
    on_progress: ProgressCallback,
    cluster: Cluster,
    budget: Budget,
    pool: Pool | None = None,
) -> Results:
    """Search by measuring.

    Args:
        request: What is wanted.
        on_progress: Is told each step.
        cluster: Deploys and measures.
        budget: What it may take; what was measured by then is judged.
        pool: Runs the simulator; by default in worker processes.

    Returns:
        Results with a choice that was measured; what a rapid search finds where nothing can be deployed, or where no
        deployment could be had in time.

    Raises:
        NotDeployableError: Whatever was deployed has failed; the message says why of each trial.
        ProfilerError: As the rapid search raises it.
    """
    pool = pool or WorkerPool(preload=PRELOAD)
    budget = budget.of(request.options)
    estimated = estimate(request, on_progress, SEARCH_DEADLINE_S, budget.until, pool)
    by_estimate = answer(estimated.question, estimated.found)
    offered = _options(estimated, by_estimate)
    if not offered:
        return by_estimate
    search = _Search(
        request, estimated, by_estimate, offered=offered, cluster=cluster, budget=budget, on_progress=on_progress
    )
    results = search.run()
    return with_curves(results, estimated.searches, pool, on_progress) if request.goal.autoscale else results


def _options(estimated: Estimates, by_estimate: Results) -> list[Option]:
    """Return what can be deployed: what the simulator has estimated, else every size that fits."""
    choice, question = by_estimate.choice, estimated.question
    if choice is not None and choice.source is Source.NAIVE:
        return options(by_memory(question.request, question.model, choice.backend))
    return options(candidate for candidate in by_estimate.candidates if candidate.is_offered)


class _Search:
    """One search: its log is all that it knows."""

    def __init__(  # noqa: PLR0913 - what it works with, by name
        self,
        request: PlanRequest,
        estimated: Estimates,
        by_estimate: Results,
        *,
        offered: Sequence[Option],
        cluster: Cluster,
        budget: Budget,
        on_progress: ProgressCallback,
    ) -> None:
        self._request, self._estimated, self._by_estimate = request, estimated, by_estimate
        self._options = {option.trial.id: option for option in offered}
        self._cluster, self._budget, self._on_progress = cluster, budget, on_progress
        self._limits = Limits()
        self._waits_for = self._broken = ""
        self._tool_failures = 0
        self._counted_at = time.monotonic()
        self._log = self._resumed(cluster.trials.earlier())

    def _resumed(self, earlier: TrialLog | None) -> TrialLog:
        """Return what is known of trials that are still options, with nothing wanted yet."""
        log = earlier or TrialLog()
        return log.model_copy(
            update={
                "model": self._by_estimate.model,
                "model_facts": self._by_estimate.model_facts,
                "wanted": (),
                "points": tuple(point for point in log.points if point.trial in self._options),
                "failed": tuple(failed for failed in log.failed if failed.trial in self._options),
                "rejected": tuple(point for point in log.rejected if point.trial in self._options),
            }
        )

    def run(self) -> Results:
        """Measure until nothing better is to be expected, or the budget is used up."""
        while True:
            step = self._next()
            self._update(wanted=step.wanted)
            if step.measure is None:
                return self._answer(step.skipped)
            status = self._await(step.measure)
            if status is None:
                continue  # the budget is used up
            if status.state is TrialState.FAILED:
                self._fail(step.measure.trial, status.message)
            else:
                self._measure(step.measure, status.endpoint)

    def _next(self) -> Step:
        goal, budget = self._request.goal, self._request.total_gpus
        limits = replace(self._limits, exhausted=self._exhausted(), barred=self._barred)
        options = tuple(self._options.values())
        return next_step(options, self._log.points, self._failed, goal, budget, limits)

    def _exhausted(self) -> str:
        return self._broken or self._budget.exhausted(self._log, self._cluster.trials.ends())

    @property
    def _failed(self) -> Mapping[str, str]:
        return {failed.trial: failed.reason for failed in self._log.failed}

    @property
    def _barred(self) -> Mapping[str, int]:
        """The lowest load at which a trial could not be measured, by its id."""
        return dict(sorted(self._left_out, reverse=True))

    @property
    def _left_out(self) -> list[tuple[str, int]]:
        """Trials, by their ids, with the loads at which they could not be measured."""
        counted = Counter((rejected.trial, rejected.concurrency) for rejected in self._log.rejected)
        return [attempt for attempt, times in counted.items() if times >= _REJECTIONS]

    def _update(self, **changes: object) -> None:
        self._log = self._log.model_copy(update=changes)
        self._cluster.trials.update(self._log)

    def _fail(self, trial: Candidate, reason: str, *, without_gpus: bool = False) -> None:
        failed = FailedTrial(trial=trial.id, reason=reason[:_LONGEST_REASON], without_gpus=without_gpus)
        self._update(failed=(*self._log.failed, failed))

    def _count(self) -> None:
        """Count time, and the GPU hours of what is deployed, up to now."""
        now = time.monotonic()
        passed, self._counted_at = now - self._counted_at, now
        statuses = ((trial, self._cluster.trials.status(trial.id)) for trial in self._log.wanted)
        gpus = sum(trial.gpus for trial, status in statuses if status.state is not TrialState.WAITING)
        taken = {"gpu_hours": self._log.gpu_hours + gpus * passed / 3600, "seconds": self._log.seconds + passed}
        self._log = self._log.model_copy(update=taken)

    def _await(self, wanted: Measure) -> TrialStatus | None:
        """Wait until a trial is ready or has failed; None when the budget is used up.

        One that waits for GPUs for long is given up: others may need fewer.
        """
        shown, waits_since = "", time.monotonic()
        patience = min(_WITHOUT_GPUS_S, max(_LEAST_S, self._left_s() / 4))
        while not self._exhausted():
            self._count()
            status = self._cluster.trials.status(wanted.trial.id)
            if status.state in (TrialState.READY, TrialState.FAILED):
                return status
            if status.state is not TrialState.WAITING:
                waits_since = time.monotonic()
            elif time.monotonic() - waits_since > patience:
                reason = f"it could not be deployed for {patience / 60:.0f} min: {status.message}"
                self._fail(wanted.trial, reason, without_gpus=True)
                return None
            self._waits_for = f"{status.state}{f': {status.message}' if status.message else ''}"
            if self._waits_for != shown:
                self._tell(wanted, self._waits_for)
                shown = self._waits_for
            time.sleep(_POLL_S)
        return None

    def _left_s(self) -> float:
        return self._budget.left_s(self._log, self._cluster.trials.ends())

    def _measure(self, wanted: Measure, url: str) -> None:
        """Measure a trial.

        The attempt is published before: one that ends the profiler, too, is not made for ever.
        """
        trial, load = wanted.trial, wanted.concurrency
        before = self._log.rejected
        attempt = RejectedPoint(trial=trial.id, concurrency=load, reason="the profiler ended while it was made")
        self._update(rejected=(*before, attempt))
        self._tell(wanted, f"{_requests(load)} in flight")
        try:
            found = self._found(wanted, url)
        except KeyboardInterrupt:  # it is not the measurement's fault
            self._update(rejected=before)
            raise
        self._count()
        if isinstance(found, MeasuredPoint):
            self._tool_failures = 0
            self._update(rejected=before, points=(*self._log.points, found))
            self._tell(wanted, _figures(found))
            return
        self._tell(wanted, f"{_requests(load)} in flight: rejected: {found.reason}")
        if found.by_program:
            self._tool_failures += 1
            self._broken = found.reason if self._tool_failures >= _REJECTIONS else ""
            self._update(rejected=before)
            return
        self._update(rejected=(*before, attempt.model_copy(update={"reason": found.reason[:_LONGEST_REASON]})))
        measured = any(point.trial == trial.id for point in self._log.points)
        left_out = [load for other, load in self._left_out if other == trial.id]
        if len(left_out) >= _LOADS and not measured:
            loads = " and ".join(map(str, sorted(left_out)))
            self._fail(
                trial, f"no measurement with {loads} requests in flight counts, the last one because {found.reason}"
            )

    def _tell(self, measured: Measure, state: str) -> None:
        """Say what is being measured; the log is published with it."""
        trial = measured.trial
        tried = list(dict.fromkeys([*(point.trial for point in self._log.points), *self._failed, trial.id]))
        title = f"trial {tried.index(trial.id) + 1}, {trial.backend} {trial.mode} {trial.shape}"
        points, most = len(self._log.points), self._limits.most_points
        left = f" (at most {self._longest_min(most - points)} min left)" if points else ""
        progress = Progress(
            collect.Step.MEASUREMENT, f"{title}: {state}{left}", finished=False, total=most, completed=min(points, most)
        )
        self._cluster.trials.update(self._log)  # time and GPU hours
        self._on_progress(progress)

    def _longest_min(self, points: int) -> int:
        """Return the minutes that as many points take as may still be measured, by what those before have taken."""
        by_points = points * self._log.seconds / len(self._log.points)
        return math.ceil(min(by_points, max(0.0, self._left_s())) / 60)

    def _found(self, wanted: Measure, url: str) -> Found:
        """Measure a trial. Prompts are others each time: those of before are in the prefix cache."""
        goal, trial = self._request.goal, wanted.trial.id
        endpoint = Endpoint(url, self._request.model, self._log.model, goal.isl, goal.osl)
        load, option = load_of(wanted.concurrency, goal.osl), self._options[trial]
        rounds = math.ceil((load.requests + load.warmup) / load.concurrency)
        limit = _UNKNOWN_S
        if option.points:
            limit = max(_LEAST_S, _SLOWER * rounds * option.estimate(load.concurrency).e2e / 1000)
        left = max(1.0, min(limit, self._left_s()))
        return self._cluster.measure(endpoint, load, trial=trial, seed=time.time_ns(), deadline_s=left)

    def _answer(self, skipped: Mapping[str, str]) -> Results:
        """Judge what was measured.

        Raises:
            NotDeployableError: Whatever was deployed has failed.
        """
        if not self._log.points and any(not failed.without_gpus for failed in self._log.failed):
            listed = "\n".join(f"  {trial}: {reason}" for trial, reason in self._failed.items())
            raise NotDeployableError(f"no configuration of {self._log.model} could be measured:\n{listed}")
        if not self._log.points:
            why = self._broken or next(iter(self._failed.values()), self._waits_for)
            warning = ConfigurationWarning.note(_NOTHING_MEASURED.format(why=why))
            return self._by_estimate.model_copy(update={"warnings": (*self._by_estimate.warnings, warning)})
        question = self._estimated.question
        judgement = judged(
            self._by_estimate.candidates,
            tuple(self._options.values()),
            self._log.points,
            failed=self._failed,
            skipped=skipped,
            goal=self._request.goal,
            budget=self._request.total_gpus,
            rejection=question.rejection,
        )
        results = answer_measured(question, self._estimated.found, judgement)
        identity = self._request.identity
        if not resolve(identity.spec, as_far_as_known(identity.annotations)).mocker:
            return results
        return results.model_copy(update={"warnings": (*results.warnings, ConfigurationWarning.note(_SIMULATED))})


def _requests(load: int) -> str:
    return f"{load} request{'s' if load > 1 else ''}"


def _figures(point: MeasuredPoint) -> str:
    return (
        f"{_requests(point.concurrency)} in flight: TTFT {milliseconds(point.ttft)}, ITL {milliseconds(point.itl)}, "
        f"{significant(point.tokens_per_s)} tokens/s"
    )
