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
from functools import partial

from dgdr_api.candidate import Mode, Source
from dgdr_api.curves import WorkerCurve
from dgdr_api.defaults import resolve
from dgdr_api.formatting import milliseconds, significant
from dgdr_api.preserved import as_far_as_known
from dgdr_api.request_warnings import ConfigurationWarning
from dgdr_api.results import Results
from dgdr_api.trials import MeasuredPoint, RejectedPoint, TrialLog, TrialState
from dgdr_controller.profiler.errors import NotDeployableError
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, load_of
from dgdr_controller.profiler.measurement.curve_measurement import measured_curves
from dgdr_controller.profiler.measurement.measured_rows import judged
from dgdr_controller.profiler.measurement.options import Option, options
from dgdr_controller.profiler.measurement.session import LEAST_S, Session
from dgdr_controller.profiler.measurement.trial_search import Limits, Measure, Step, next_step
from dgdr_controller.profiler.measurement.trials import Budget, Cluster, Found
from dgdr_controller.profiler.measurement.worker_curves import in_place_of
from dgdr_controller.profiler.naive import by_memory
from dgdr_controller.profiler.rapid import SEARCH_DEADLINE_S, Estimates, estimate
from dgdr_controller.profiler.request import PlanRequest
from dgdr_controller.profiler.results import answer, answer_measured
from dgdr_controller.profiler.simulation import collect
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.collect import Pool, Progress, ProgressCallback
from dgdr_controller.profiler.simulation.planner_curves import with_curves
from dgdr_controller.profiler.simulation.worker_pool import WorkerPool

_NOTHING_MEASURED = (
    "Nothing was measured ({why}): the choice rests on estimates. For another try set annotation dgdr.nvidia.com/retry "
    "to a new value"
)
_SIMULATED = "What was measured are simulated engines (spec.features.mocker): the numbers do not describe real GPUs"
_CURVES_ESTIMATED = (
    "Workers were not measured at other loads: the planner begins with estimates, where there are any. Engines with "
    "data-parallel attention, a used-up budget or rejected measurements are the cause; the log names it"
)
_SLOWER, _UNKNOWN_S = 5, 3600.0
"""A measurement may take so many times as long as estimated, and ten minutes at least; where nothing is estimated an
hour. What takes longer hangs."""
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
    if not request.goal.autoscale:
        return results
    estimates = with_curves(results, estimated.searches, pool, on_progress)
    return estimates.model_copy(update={"curves": in_place_of(estimates.curves, results.curves)})


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
        self._on_progress = on_progress
        self._limits = Limits()
        self._tool_failures = 0
        self._session = Session(cluster, budget, self._resumed(cluster.trials.earlier()))

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
                "curve_points": tuple(point for point in log.curve_points if point.trial in self._options),
            }
        )

    def run(self) -> Results:
        """Measure until nothing better is to be expected, or the budget is used up.

        Raises:
            NotDeployableError: Whatever was deployed has failed.
        """
        goal = self._request.goal
        while True:
            step = self._next()
            if step.measure is None:
                break
            self._session.update(wanted=step.wanted)
            status = self._session.wait_for(step.measure.trial, partial(self._tell, step.measure))
            if status is None:
                continue  # the budget is used up
            if status.state is TrialState.FAILED:
                self._session.fail(step.measure.trial, status.message)
            else:
                self._measure(step.measure, status.endpoint)
        try:
            results = self._answer(step.skipped)
            return self._with_curves(results) if goal.autoscale else results
        finally:
            self._session.update(wanted=())

    def _with_curves(self, results: Results) -> Results:
        """Return results with the planner's curves as measured; say where they could not be."""
        curves = self._curves(results)
        if curves or results.choice is None or results.choice.mode is not Mode.DISAGGREGATED:
            return results.model_copy(update={"curves": curves})
        warning = ConfigurationWarning.note(_CURVES_ESTIMATED)
        return results.model_copy(update={"warnings": (*results.warnings, warning)})

    def _curves(self, results: Results) -> tuple[WorkerCurve, ...]:
        """Measure the planner's curves of the choice, if that was measured; nothing where it was not.

        Its deployment is the one that was measured last, and still there.
        """
        choice = results.choice
        if choice is None or choice.source is not Source.MEASURED:
            return ()
        alike = Option(choice, ())
        measured = {point.trial for point in self._log.points}
        trials = (
            option.trial
            for option in self._options.values()
            if option.trial.id in measured and (option.kind, option.shape) == (alike.kind, alike.shape)
        )
        trial = next(trials, None)
        if trial is None:
            return ()
        return measured_curves(self._session, trial, self._request.goal, self._request.model, self._on_progress)

    @property
    def _log(self) -> TrialLog:
        return self._session.log

    def _next(self) -> Step:
        goal, budget = self._request.goal, self._request.total_gpus
        limits = replace(self._limits, exhausted=self._session.exhausted(), barred=self._barred)
        options = tuple(self._options.values())
        return next_step(options, self._log.points, self._session.failed, goal, budget, limits)

    @property
    def _barred(self) -> Mapping[str, int]:
        """The lowest load at which a trial could not be measured, by its id."""
        return dict(sorted(self._left_out, reverse=True))

    @property
    def _left_out(self) -> list[tuple[str, int]]:
        """Trials, by their ids, with the loads at which they could not be measured."""
        counted = Counter((rejected.trial, rejected.concurrency) for rejected in self._log.rejected)
        return [attempt for attempt, times in counted.items() if times >= _REJECTIONS]

    def _measure(self, wanted: Measure, url: str) -> None:
        """Measure a trial.

        The attempt is published before: one that ends the profiler, too, is not made for ever.
        """
        trial, load = wanted.trial, wanted.concurrency
        before = self._log.rejected
        attempt = RejectedPoint(trial=trial.id, concurrency=load, reason="the profiler ended while it was made")
        self._session.update(rejected=(*before, attempt))
        self._tell(wanted, f"{_requests(load)} in flight")
        try:
            found = self._found(wanted, url)
        except KeyboardInterrupt:  # it is not the measurement's fault
            self._session.update(rejected=before)
            raise
        self._session.count()
        if isinstance(found, MeasuredPoint):
            self._tool_failures = 0
            self._session.update(rejected=before, points=(*self._log.points, found))
            self._tell(wanted, _figures(found))
            return
        self._tell(wanted, f"{_requests(load)} in flight: rejected: {found.reason}")
        if found.by_program:
            self._tool_failures += 1
            self._session.broken = found.reason if self._tool_failures >= _REJECTIONS else ""
            self._session.update(rejected=before)
            return
        self._session.update(rejected=(*before, attempt.model_copy(update={"reason": found.reason[:_LONGEST_REASON]})))
        measured = any(point.trial == trial.id for point in self._log.points)
        left_out = [load for other, load in self._left_out if other == trial.id]
        if len(left_out) >= _LOADS and not measured:
            loads = " and ".join(map(str, sorted(left_out)))
            self._session.fail(
                trial, f"no measurement with {loads} requests in flight counts, the last one because {found.reason}"
            )

    def _tell(self, measured: Measure, state: str) -> None:
        """Say what is being measured; the log is published with it."""
        trial = measured.trial
        tried = list(dict.fromkeys([*(point.trial for point in self._log.points), *self._session.failed, trial.id]))
        title = f"trial {tried.index(trial.id) + 1}, {trial.backend} {trial.mode} {trial.shape}"
        points, most = len(self._log.points), self._limits.most_points
        left = f" (at most {self._longest_min(most - points)} min left)" if points else ""
        progress = Progress(
            collect.Step.MEASUREMENT, f"{title}: {state}{left}", finished=False, total=most, completed=min(points, most)
        )
        self._session.publish()  # time and GPU hours
        self._on_progress(progress)

    def _longest_min(self, points: int) -> int:
        """Return the minutes that as many points take as may still be measured, by what those before have taken."""
        by_points = points * self._log.seconds / len(self._log.points)
        return math.ceil(min(by_points, max(0.0, self._session.left_s)) / 60)

    def _found(self, wanted: Measure, url: str) -> Found:
        """Measure a trial. Prompts are others each time: those of before are in the prefix cache."""
        goal, trial = self._request.goal, wanted.trial.id
        endpoint = Endpoint(url, self._request.model, self._log.model, goal.isl, goal.osl)
        load, option = load_of(wanted.concurrency, goal.osl), self._options[trial]
        rounds = math.ceil((load.requests + load.warmup) / load.concurrency)
        limit = _UNKNOWN_S
        if option.points:
            limit = max(LEAST_S, _SLOWER * rounds * option.estimate(load.concurrency).e2e / 1000)
        left = max(1.0, min(limit, self._session.left_s))
        return self._session.cluster.measure(endpoint, load, trial=trial, seed=time.time_ns(), deadline_s=left)

    def _answer(self, skipped: Mapping[str, str]) -> Results:
        """Judge what was measured.

        Raises:
            NotDeployableError: Whatever was deployed has failed.
        """
        if not self._log.points and any(not failed.without_gpus for failed in self._log.failed):
            listed = "\n".join(f"  {trial}: {reason}" for trial, reason in self._session.failed.items())
            raise NotDeployableError(f"no configuration of {self._log.model} could be measured:\n{listed}")
        if not self._log.points:
            why = self._session.broken or next(iter(self._session.failed.values()), self._session.waits_for)
            warning = ConfigurationWarning.note(_NOTHING_MEASURED.format(why=why))
            return self._by_estimate.model_copy(update={"warnings": (*self._by_estimate.warnings, warning)})
        question = self._estimated.question
        judgement = judged(
            self._by_estimate.candidates,
            tuple(self._options.values()),
            self._log.points,
            failed=self._session.failed,
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
