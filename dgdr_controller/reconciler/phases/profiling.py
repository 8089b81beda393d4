"""Profiling: follow the Job until its result is safe, or until only the user can help."""

import datetime as dt
from dataclasses import dataclass, replace

from dgdr_api.conditions import Profiling
from dgdr_api.job_spec import PROFILER
from dgdr_api.names import ANNOTATION_INPUTS
from dgdr_api.v1beta1 import DgdrStatus, Phase, ProfilingProgress
from dgdr_controller.hardware.status import used
from dgdr_controller.kinds import ContainerStatus, Job, Pod
from dgdr_controller.profiling_job.builder import Run, deadline_s
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.output import Output
from dgdr_controller.profiling_job.protocol import RunState, RunStatus
from dgdr_controller.reconciler.decision import Decision, Event, Remove, enter, start_over
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import World
from dgdr_controller.reconciler.phases.pending import job_objects, output_map, seen_jobs

_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)
_SAID_BY_THE_PROFILER = (ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE)
"""Ends that the profiler tells of by itself, in better words."""
_JOBS = 2
"""Jobs of a run: one that was deleted before its result was there is made again, once."""
_RESULT_S = 60.0
"""How long the result of a Job that has completed may take to be seen."""

_STUCK = {
    "ErrImagePull": "ImagePullFailed",
    "ImagePullBackOff": "ImagePullFailed",
    "InvalidImageName": "ImagePullFailed",
    "ErrImageNeverPull": "ImagePullFailed",
    "CreateContainerConfigError": "ContainerConfigError",
    "CreateContainerError": "ContainerConfigError",
    "RunContainerError": "ContainerConfigError",
}
"""Reasons for which a container waits and does not start by itself, and ours."""
_UNSCHEDULABLE = "Unschedulable"
_NO_POD = "WaitingForPod"
_ENDED = "ProfilerEnded"
_OOM = "OOMKilled"
_TROUBLES = {"NameConflict", "WaitingForCleanup", *_STUCK.values(), _UNSCHEDULABLE, _NO_POD, _ENDED, _OOM}
_JOBS_TO_MEND = {_NO_POD, _ENDED, _OOM}
"""Troubles for which the Job itself has a limit."""
_LONGEST_PHASE = 253
"""Letters of ``status.profilingPhase``: the API server refuses a longer one."""
_LONGEST_MESSAGE = 1000
_NOTED_S = 5.0
"""When to look again though the watch has not told of our own write."""
_PASSING_S = 3.0
"""Trouble younger than this may be none: a pod is unschedulable for a moment while another one still ends."""
_NO_POD_S = 10.0
"""How long a Job may take to have its pod before people are told."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not run.

    Attributes:
        reason: In one word.
        message: The pod's own words.
        since: When it began, as far as the pod says.
    """

    reason: str
    message: str
    since: dt.datetime | None


def profiling(world: World) -> Decision:
    """Follow the Job: a result counts whatever became of the Job, else the Job is what is looked at."""
    if _is_outdated(world):
        message = "The spec has changed while it was profiled; profiling begins anew"
        return start_over(world, events=[Event("SpecChanged", message, warning=True)])
    output = _output(world)
    if output is not None and output.is_final:
        if output.run.status is RunState.SUCCESS:
            return generate(world, output)
        if output.run.exit_code in (ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE):
            return _fail(world, output.run.phase, output.run.error)
    job = world.job
    if job is None:
        return _without_job(world)
    if in_the_way := _in_the_way(world, job):
        return in_the_way
    return _remember(world, job) if job.metadata.uid not in seen_jobs(world) else _with_job(world, job)


def _is_outdated(world: World) -> bool:
    """Say whether the run is for an earlier spec. Pending removes what is left of it."""
    run = _run(world)
    if run is None or world.output_map is None or world.generation == world.status.observed_generation:
        return False
    return world.output_map.metadata.annotations.get(ANNOTATION_INPUTS) != run.inputs


def _with_job(world: World, job: Job) -> Decision:
    """Follow a Job whose result is not there."""
    output = _output(world)
    said = output.run if output and output.job_uid == job.metadata.uid else None  # not what an earlier Job said
    if failed := _condition(job, "Failed"):
        return _fail(world, said.phase if said else None, _why(failed, world, said))
    if completed := _condition(job, "Complete"):
        if completed[2] and (world.now - completed[2]).total_seconds() > _RESULT_S:
            silent = "the profiling Job completed, but its result was not published; see its pod's log"
            return _fail(world, said.phase if said else None, (said.error if said else "") or silent)
        return Decision(_follow(world), after_s=5.0, is_progress=True)
    if trouble := _trouble(world, job):
        age = (world.now - trouble.since).total_seconds() if trouble.since else _PASSING_S
        if age >= _PASSING_S:
            return _stuck(world, trouble)
        return Decision(_follow(world), is_progress=True, after_s=_PASSING_S - age + 0.5)
    return Decision(_follow(world), is_progress=True, after_s=None if world.pods else _NO_POD_S)


def _in_the_way(world: World, job: Job) -> Decision | None:
    """Return what is done about a Job of the name that is not the one of this run."""
    if not world.owns(job.metadata):
        waiting = Profiling.waiting("NameConflict", f"In the way, and of another owner: Job {job.metadata.name}")
    elif job.metadata.deletion_timestamp:
        waiting = Profiling.waiting("WaitingForCleanup", f"Job {job.metadata.name} is being deleted")
    elif job.metadata.annotations.get(ANNOTATION_INPUTS) != _inputs(world):
        return start_over(world)  # it was made for a spec that has changed meanwhile; Pending removes it
    else:
        return None
    return Decision(enter(world, Phase.PROFILING, waiting), after_s=_NOTED_S)


def _inputs(world: World) -> str | None:
    """Return what the run is for: what its output's ConfigMap says, else what it would say."""
    if world.output_map is not None:
        return world.output_map.metadata.annotations.get(ANNOTATION_INPUTS)
    run = _run(world)
    return run.inputs if run else None


def _output(world: World) -> Output | None:
    """Return the output of this run: of the inputs that its ConfigMap was made for, not of a run before."""
    output = world.output
    if output is None or world.output_map is None:
        return None
    return output if output.inputs == world.output_map.metadata.annotations.get(ANNOTATION_INPUTS) else None


def _run(world: World) -> Run | None:
    hardware = used(world.status.hardware)
    return Run(world.request, hardware, world.settings) if hardware else None


def _remember(world: World, job: Job) -> Decision:
    """Note a Job down, before anything can happen to it unnoticed."""
    run = _run(world)
    if run is None:
        return start_over(world)
    noted = output_map(world, run, [*seen_jobs(world), job.metadata.uid])
    return Decision(_follow(world), ensure=[noted], after_s=_NOTED_S)


def _without_job(world: World) -> Decision:
    """Make the Job that is not there; the one that was deleted is made again, once."""
    run = _run(world)
    if run is None:
        return start_over(world)
    seen = seen_jobs(world)
    if len(seen) >= _JOBS:
        return _fail(world, None, f"the profiling Job was deleted {len(seen)} times before its result was there")
    condition = Profiling.retrying() if seen else Profiling.running("", "")
    events = [Event("RetryingJob", condition.message, warning=True)] if seen else []
    return Decision(enter(world, Phase.PROFILING, condition), ensure=job_objects(world, run), events=events)


def _follow(world: World) -> DgdrStatus:
    """Return the status with what the profiler says."""
    output = _output(world)
    if output is None or (world.job is not None and output.job_uid != world.job.metadata.uid):
        told = world.condition(Profiling.TYPE)
        over = told is not None and told.reason in _TROUBLES
        return enter(world, Phase.PROFILING, *([Profiling.running("", "")] if over else ()))
    run, message = output.run, output.run.message[:_LONGEST_MESSAGE]
    return enter(
        world,
        Phase.PROFILING,
        Profiling.running(run.phase, message),
        profiling_phase=run.phase[:_LONGEST_PHASE],
        profiling_progress=ProfilingProgress(completed=run.completed, total=run.total, message=message),
    )


def _stuck(world: World, trouble: Trouble) -> Decision:
    """Show why the pod does not run; give up after a while, unless the Job does."""
    grace = world.settings.profiling.stuck_pod_grace_s
    waited = (world.now - trouble.since).total_seconds() if trouble.since else 0.0
    if waited > grace and trouble.reason not in _JOBS_TO_MEND:
        failed = _fail(world, None, f"{trouble.message} (for {waited / 60:.0f} min)")
        job = world.job  # nobody waits for it any more; its pod would hold what it asks for
        return replace(failed, remove=[Remove("Job", job.metadata.name, job.metadata.uid)]) if job else failed
    told = world.condition(Profiling.TYPE)
    news = told is None or told.reason != trouble.reason  # the words change with each attempt
    return Decision(
        enter(world, Phase.PROFILING, Profiling.waiting(trouble.reason, trouble.message[:_LONGEST_MESSAGE])),
        events=[Event(trouble.reason, trouble.message, warning=True)] if news else (),
        after_s=max(grace - waited + 1, _NO_POD_S),
    )


def _trouble(world: World, job: Job) -> Trouble | None:
    """Return why nothing runs, if nothing does: of the Job, or of the youngest of its pods."""
    if not world.pods:
        since = job.metadata.creation_timestamp
        if since is None or (world.now - since).total_seconds() < _NO_POD_S:
            return None
        name = job.metadata.name
        return Trouble(_NO_POD, f"Job {name} has no pod yet; kubectl describe job {name} says why", since)
    return _trouble_of(max(world.pods, key=_birth))


def _birth(pod: Pod) -> tuple[dt.datetime, str]:
    return pod.metadata.creation_timestamp or _LONG_AGO, pod.metadata.name


def _trouble_of(pod: Pod) -> Trouble | None:
    """Return why a pod does not run, if it does not."""
    name, status, begun = pod.metadata.name, pod.status, pod.metadata.creation_timestamp
    for each in status.conditions:
        if each.type != "PodScheduled":
            continue
        if each.status == "False":
            since = each.last_transition_time or begun
            return Trouble(_UNSCHEDULABLE, f"pod {name} cannot be scheduled: {each.message}", since)
        begun = each.last_transition_time or begun  # before, nobody tried to start a container
    for container in (*status.init_container_statuses, *status.container_statuses):
        waiting = container.state.waiting
        if waiting and waiting.reason in _STUCK:
            words = (
                f"pod {name} cannot start: {waiting.reason} of {container.image or container.name}: {waiting.message}"
            )
            return Trouble(_STUCK[waiting.reason], words.rstrip(": "), begun)
        ended = container.state.terminated
        if container.name == PROFILER and ended and ended.exit_code not in (0, *_SAID_BY_THE_PROFILER):
            reason = _OOM if ended.reason == _OOM else _ENDED
            return Trouble(reason, f"pod {name}: {_ended(container)}", begun)
    return None


def _condition(job: Job, kind: str) -> tuple[str, str, dt.datetime | None] | None:
    found = (c for c in job.status.conditions if c.type == kind and c.status == "True")
    return next(((c.reason, c.message, c.last_transition_time) for c in found), None)


def _why(failed: tuple[str, str, dt.datetime | None], world: World, said: RunStatus | None) -> str:
    """Say why a Job failed: its deadline, else the profiler's own words, its container's, or those of the Job."""
    if failed[0] == "DeadlineExceeded":
        minutes = deadline_s(world.request, world.settings) / 60
        last = f"; the last of it was: {said.message}" if said else ""
        return f"it was not done after {minutes:g} min (DeadlineExceeded){last}"
    if said and said.error:
        return said.error
    for pod in world.pods:
        for container in pod.status.container_statuses:
            if container.name == PROFILER and (ended := _ended(container)):
                return f"pod {pod.metadata.name}: {ended}"
    return f"{failed[0]}: {failed[1]}"


def _ended(container: ContainerStatus) -> str:
    """Say how a container ended, with its last words."""
    ended = container.state.terminated
    if ended is None or ended.exit_code == 0:
        return ""
    words = f"container {container.name} ended with exit code {ended.exit_code} ({ended.reason})"
    return f"{words}: {ended.message.strip()[-1000:]}" if ended.message.strip() else words


def _fail(world: World, phase: str | None, message: str) -> Decision:
    return Decision(
        enter(
            world,
            Phase.FAILED,
            Profiling.failed(phase, message),
            # The one it failed in, however much of the way there was seen.
            profiling_phase=phase or world.status.profiling_phase,
            profiling_progress=None,
        ),
        events=[Event("ProfilingJobFailed", message, warning=True)],
    )
