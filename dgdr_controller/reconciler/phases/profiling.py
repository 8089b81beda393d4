"""Profiling: follow the Job until its result is safe, or until only the user can help."""

import datetime as dt
from dataclasses import replace

from dgdr_api.causes import reasons
from dgdr_api.conditions import Profiling
from dgdr_api.job_spec import PROFILER, PUBLISHER
from dgdr_api.names import ANNOTATION_INPUTS
from dgdr_api.options import runs_its_image
from dgdr_api.v1beta1 import DgdrStatus, Phase, ProfilingProgress
from dgdr_controller.kinds import Job
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.profiling_job.run import deadline_s
from dgdr_controller.reconciler import pod_problems, profiling_run
from dgdr_controller.reconciler.decision import Decision, Event, Remove, enter, news, start_over
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.pod_problems import PodProblem, exit_message

_EXPLAINED_EXITS = (0, ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE)
"""Exit codes for which the profiler itself publishes an explanation."""
_ANSWERS = (ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE)
"""Exit codes that another pod would repeat. Another profiler publishes none, and is started once."""
_JOBS = 2
"""Jobs of a run: one that was deleted before its result was there is made again, once."""
_RESULT_S = 60.0
"""How long the result of a Job that has completed may take to be seen."""

_NO_POD = "WaitingForPod"
_PASSING = {*reasons(Phase.PROFILING, Profiling.TYPE)} - {Profiling.retrying().reason}
"""Reasons that are over once there is no trouble; one more Job is in sight until it tells something."""
_LIMITED_BY_JOB = {_NO_POD, pod_problems.CONTAINER_FAILED, pod_problems.OOM_KILLED}
"""Problems for which the Job itself has a limit."""
_LONGEST_PHASE = 253
"""Letters of ``status.profilingPhase``: the API server refuses a longer one."""
_LONGEST_MESSAGE = 1000
_NOTED_S = 5.0
"""When to look again though the watch has not told of our own write."""
_PASSING_S = 3.0
"""Trouble younger than this may be none: a pod is unschedulable for a moment while another one still ends."""
_NO_POD_S = 10.0
"""How long a Job may take to have its pod before people are told."""


def needs(observed: ObservedState) -> Need:
    """A final result is composed into a deployment; a Job that has ended is given up only by the API server's word."""
    run = Need.MEASUREMENTS | Need.COMPOSITION if _needs_run(observed) else Need(0)
    output = observed.output
    if output is not None and output.is_final:
        return Need.COMPOSITION | Need.FRESH_OUTPUT | run
    if (job := observed.job) is None:
        given_up = len(profiling_run.seen_jobs(observed)) >= _JOBS
        return run | Need.FRESH_OUTPUT if given_up else run
    if _condition(job, "Failed"):
        return run | Need.FRESH_OUTPUT | Need.FRESH_PODS
    return run | Need.FRESH_OUTPUT if _condition(job, "Complete") else run


def _needs_run(observed: ObservedState) -> bool:
    """Say whether it matters what a run would depend on now: to make what is missing of it, or for a changed spec."""
    changed = observed.generation != observed.status.observed_generation
    return changed or observed.job is None or observed.output_map is None


def profiling(observed: ObservedState) -> Decision:
    """Follow the Job: a result counts whatever became of the Job, else the Job is what is looked at."""
    if _is_outdated(observed):
        message = "The spec changed during profiling; profiling starts over"
        return start_over(observed, events=[Event("SpecChanged", message, warning=True)])
    output = profiling_run.output(observed)
    if output is not None and output.is_final:
        if output.run.status is RunState.SUCCESS:
            return generate(observed, output)
        if output.run.exit_code in _ANSWERS or runs_its_image(observed.request.metadata.annotations):
            return _fail(observed, output.run.phase, output.run.error)
    job = observed.job
    if job is None:
        return _without_job(observed)
    if in_the_way := _in_the_way(observed, job):
        return in_the_way
    seen = job.metadata.uid in profiling_run.seen_jobs(observed)
    return _with_job(observed, job) if seen else _remember(observed, job)


def _is_outdated(observed: ObservedState) -> bool:
    """Say whether the run is for an earlier spec. Pending removes what is left of it."""
    run = profiling_run.current(observed)
    if run is None or observed.output_map is None or observed.generation == observed.status.observed_generation:
        return False
    return observed.output_map.metadata.annotations.get(ANNOTATION_INPUTS) != run.inputs


def _with_job(observed: ObservedState, job: Job) -> Decision:
    """Follow a Job whose result is not there."""
    output = profiling_run.output(observed)
    run_status = output.run if output and output.job_uid == job.metadata.uid else None  # not what an earlier Job said
    if failed := _condition(job, "Failed"):
        return _fail(observed, run_status.phase if run_status else None, _why(failed, observed, run_status))
    if completed := _condition(job, "Complete"):
        if completed[2] and (observed.now - completed[2]).total_seconds() > _RESULT_S:
            silent = (
                "the profiling Job completed, but its result was not published; "
                f"kubectl logs job/{job.metadata.name} -c {PUBLISHER} says why"
            )
            return _fail(
                observed, run_status.phase if run_status else None, (run_status.error if run_status else "") or silent
            )
        return _going_on(observed, after_s=5.0)
    if problem := _problem(observed, job):
        age = (observed.now - problem.since).total_seconds() if problem.since else _PASSING_S
        if age >= _PASSING_S:
            return _stuck(observed, problem)
        return _going_on(observed, after_s=_PASSING_S - age + 0.5)
    return _going_on(observed, after_s=None if observed.pods else _NO_POD_S)


def _going_on(observed: ObservedState, after_s: float | None) -> Decision:
    """Follow the profiler. A new sub-phase is shown at once: some of them are short."""
    status = _follow(observed)
    same = status.profiling_phase == observed.status.profiling_phase
    return Decision(status, after_s=after_s, is_progress=same)


def _in_the_way(observed: ObservedState, job: Job) -> Decision | None:
    """Return what is done about a Job of the name that is not the one of this run."""
    if not observed.owns(job.metadata):
        waiting = Profiling.name_conflict(f"Job {job.metadata.name}")
    elif job.metadata.deletion_timestamp:
        waiting = Profiling.waiting("WaitingForCleanup", f"Job {job.metadata.name} is being deleted")
    elif job.metadata.annotations.get(ANNOTATION_INPUTS) != _inputs(observed):
        return start_over(observed)  # it was made for a spec that has changed meanwhile; Pending removes it
    else:
        return None
    return Decision(enter(observed, Phase.PROFILING, waiting), after_s=_NOTED_S)


def _inputs(observed: ObservedState) -> str | None:
    """Return what the run is for: what its output's ConfigMap says, else what it would say."""
    if observed.output_map is not None:
        return observed.output_map.metadata.annotations.get(ANNOTATION_INPUTS)
    run = profiling_run.current(observed)
    return run.inputs if run else None


def _remember(observed: ObservedState, job: Job) -> Decision:
    """Note a Job down, before anything can happen to it unnoticed."""
    run = profiling_run.current(observed)
    if run is None:
        return start_over(observed)
    noted = profiling_run.output_map(observed, run, [*profiling_run.seen_jobs(observed), job.metadata.uid])
    return Decision(_follow(observed), ensure=[noted], after_s=_NOTED_S)


def _without_job(observed: ObservedState) -> Decision:
    """Make the Job that is not there; the one that was deleted is made again, once."""
    run = profiling_run.current(observed)
    if run is None:
        return start_over(observed)
    seen = profiling_run.seen_jobs(observed)
    if len(seen) >= _JOBS:
        return _fail(observed, None, f"the profiling Job was deleted {len(seen)} times before its result was published")
    condition = Profiling.retrying() if seen else Profiling.running("", "")
    events = [Event("RetryingJob", condition.message, warning=True)] if seen else []
    status = enter(observed, Phase.PROFILING, condition)
    return Decision(status, ensure=profiling_run.objects(observed, run), events=events)


def _follow(observed: ObservedState) -> DgdrStatus:
    """Return the status with what the profiler says."""
    output = profiling_run.output(observed)
    if output is None or (observed.job is not None and output.job_uid != observed.job.metadata.uid):
        previous = observed.condition(Profiling.TYPE)
        over = previous is not None and previous.reason in _PASSING
        return enter(observed, Phase.PROFILING, *([Profiling.running("", "")] if over else ()))
    run, message = output.run, output.run.message[:_LONGEST_MESSAGE]
    return enter(
        observed,
        Phase.PROFILING,
        Profiling.running(run.phase, message),
        profiling_phase=run.phase[:_LONGEST_PHASE],
        profiling_progress=ProfilingProgress(completed=run.completed, total=run.total, message=message),
    )


def _stuck(observed: ObservedState, problem: PodProblem) -> Decision:
    """Show why the pod does not run; give up after a while, unless the Job does."""
    grace = observed.settings.profiling.stuck_pod_grace_s
    waited = (observed.now - problem.since).total_seconds() if problem.since else 0.0
    if waited > grace and problem.reason not in _LIMITED_BY_JOB:
        failed = _fail(observed, None, f"{problem.message} (for {waited / 60:.0f} min)")
        job = observed.job  # nobody waits for it any more; its pod would hold what it asks for
        return replace(failed, remove=[Remove("Job", job.metadata.name, job.metadata.uid)]) if job else failed
    message = f"{problem.message[:_LONGEST_MESSAGE]}{_outlook(observed, problem)}"
    waiting = Profiling.waiting(problem.reason, message)
    return Decision(
        enter(observed, Phase.PROFILING, waiting),
        events=news(observed, waiting),
        after_s=max(grace - waited + 1, _NO_POD_S),
    )


def _outlook(observed: ObservedState, problem: PodProblem) -> str:
    """Say since when a problem lasts, and what follows if it stays."""
    if problem.reason not in _LIMITED_BY_JOB:
        if problem.since is None:
            return ""
        ends = problem.since + dt.timedelta(seconds=observed.settings.profiling.stuck_pod_grace_s)
        return f" (since {problem.since:%H:%M} UTC; the request fails at {ends:%H:%M} UTC)"
    created = observed.job.metadata.creation_timestamp if observed.job else None
    if created is None:
        return ""
    ends = created + dt.timedelta(seconds=deadline_s(observed.request, observed.settings))
    attempt = f"attempt {len(observed.pods)}; " if observed.pods else ""
    return f" ({attempt}the Job ends by {ends:%H:%M} UTC)"


def _problem(observed: ObservedState, job: Job) -> PodProblem | None:
    """Return why nothing runs, if nothing does: the Job has no pod, or its newest pod has a problem."""
    if observed.pods:
        return pod_problems.problem_of(observed.pods, PROFILER, _EXPLAINED_EXITS)
    name, since = job.metadata.name, job.metadata.creation_timestamp
    if since is None or (observed.now - since).total_seconds() < _NO_POD_S:
        return None
    return PodProblem(_NO_POD, f"Job {name} has no pod yet; kubectl describe job {name} says why", since)


def _condition(job: Job, kind: str) -> tuple[str, str, dt.datetime | None] | None:
    found = (c for c in job.status.conditions if c.type == kind and c.status == "True")
    return next(((c.reason, c.message, c.last_transition_time) for c in found), None)


def _why(failed: tuple[str, str, dt.datetime | None], observed: ObservedState, run_status: RunStatus | None) -> str:
    """Say why a Job failed: its deadline, else the profiler's own words, its container's, or those of the Job."""
    if failed[0] == "DeadlineExceeded":
        minutes = deadline_s(observed.request, observed.settings) / 60
        last = f"; last progress: {run_status.message}" if run_status else ""
        return f"it exceeded its deadline of {minutes:g} min (DeadlineExceeded){last}"
    if run_status and run_status.error:
        return run_status.error
    for pod in observed.pods:
        for container in pod.status.container_statuses:
            if container.name == PROFILER and (ended := exit_message(container)):
                return f"pod {pod.metadata.name}: {ended}"
    return f"{failed[0]}: {failed[1]}"


def _fail(observed: ObservedState, phase: str | None, message: str) -> Decision:
    return Decision(
        enter(
            observed,
            Phase.FAILED,
            Profiling.failed(phase, message),
            # The one it failed in, however much of the way there was seen.
            profiling_phase=phase or observed.status.profiling_phase,
            profiling_progress=None,
        ),
        events=[Event("ProfilingJobFailed", message, warning=True)],
    )
