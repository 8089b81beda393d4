"""Profiling: follow the Job until its result is safe, or until only the user can help."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dgdr_api.conditions import Profiling
from dgdr_api.names import ANNOTATION_INPUTS, ANNOTATION_JOB_UID
from dgdr_api.v1beta1 import DgdrStatus, Phase, ProfilingProgress
from dgdr_controller.hardware.status import used
from dgdr_controller.kinds import ContainerStatus, Job, Pod
from dgdr_controller.profiling import builder
from dgdr_controller.profiling.builder import PROFILER, Run
from dgdr_controller.profiling.exit_code import ExitCode
from dgdr_controller.profiling.output import Output
from dgdr_controller.profiling.protocol import RunState
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, How, Remove, enter
from dgdr_controller.reconciler.generate import generate
from dgdr_controller.reconciler.pending import job_objects
from dgdr_controller.reconciler.world import World

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
_TROUBLES = {*_STUCK.values(), _UNSCHEDULABLE}
_LONGEST_PHASE = 253
"""Letters of ``status.profilingPhase``: the API server refuses a longer one."""


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
        return Decision(
            enter(world, Phase.PENDING, Profiling.discovering(), anew=True),
            events=[Event("SpecChanged", message, warning=True)],
        )
    output = _output(world)
    if output is not None and output.is_final:
        if output.run.status is RunState.SUCCESS:
            return generate(world, output)
        if output.run.exit_code in (ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE):
            return _fail(world, output.run.phase, f"profiling failed: {output.run.error}")
    job = world.job
    if job is None or not _is_mine(job, world):
        return _without_job(world)
    return _remember(world, job) if job.metadata.uid not in _seen(world) else _with_job(world, job)


def _is_outdated(world: World) -> bool:
    """Say whether the run is for an earlier spec. Pending removes what is left of it."""
    run = _run(world)
    if run is None or world.output_map is None or world.generation == world.status.observed_generation:
        return False
    return world.output_map.metadata.annotations.get(ANNOTATION_INPUTS) != run.inputs


def _with_job(world: World, job: Job) -> Decision:
    """Follow a Job whose result is not there."""
    if failed := _condition(job, "Failed"):
        output = _output(world)
        return _fail(world, output.run.phase if output else None, _why(failed, world.pods, output))
    if completed := _condition(job, "Complete"):
        if completed[2] and (world.now - completed[2]).total_seconds() > _RESULT_S:
            return _fail(
                world, None, "the profiling Job completed, but its result was not published; see its pod's log"
            )
        return Decision(_follow(world), after_s=5.0, is_progress=True)
    if trouble := next(filter(None, map(_trouble, world.pods)), None):
        return _stuck(world, trouble)
    return Decision(_follow(world), is_progress=True)


def _is_mine(job: Job, world: World) -> bool:
    return world.owns(job.metadata) and not job.metadata.deletion_timestamp


def _output(world: World) -> Output | None:
    """Return the output of this run: of the inputs that its ConfigMap was made for, not of a run before."""
    output = world.output
    if output is None or world.output_map is None:
        return None
    return output if output.inputs == world.output_map.metadata.annotations.get(ANNOTATION_INPUTS) else None


def _seen(world: World) -> list[str]:
    """Return the UIDs of this run's Jobs, which the output's ConfigMap remembers: a count would miss a crash."""
    annotations = world.output_map.metadata.annotations if world.output_map else {}
    return [uid for uid in annotations.get(ANNOTATION_JOB_UID, "").split(",") if uid]


def _run(world: World) -> Run | None:
    hardware = used(world.status.hardware)
    return Run(world.request, hardware, world.settings) if hardware else None


def _remember(world: World, job: Job) -> Decision:
    """Note a Job down, before anything can happen to it unnoticed."""
    run = _run(world)
    if run is None or world.output_map is None:
        return _restart(world)
    manifest = builder.output_config_map(run)
    manifest["metadata"]["annotations"] = {
        **manifest["metadata"]["annotations"],
        ANNOTATION_INPUTS: world.output_map.metadata.annotations.get(ANNOTATION_INPUTS, run.inputs),
        ANNOTATION_JOB_UID: ",".join([*_seen(world), job.metadata.uid]),
    }
    return Decision(_follow(world), ensure=[Ensure(manifest, How.APPLY)], after_s=0.0)


def _without_job(world: World) -> Decision:
    """Make the Job that is not there; the one that was deleted is made again, once."""
    run = _run(world)
    if run is None:
        return _restart(world)
    seen = _seen(world)
    if len(seen) >= _JOBS:
        return _fail(world, None, f"the profiling Job was deleted {len(seen)} times before its result was there")
    objects = job_objects(run)
    for each in objects:
        if each.how is How.APPLY and each.manifest["kind"] == "ConfigMap" and seen:
            each.manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] = ",".join(seen)
    condition = Profiling.retrying() if seen else Profiling.running("", "")
    events = [Event("RetryingJob", condition.message, warning=True)] if seen else []
    return Decision(enter(world, Phase.PROFILING, condition), ensure=objects, events=events)


def _restart(world: World) -> Decision:
    """Begin anew where the status does not say what the run is about."""
    return Decision(enter(world, Phase.PENDING, Profiling.discovering(), anew=True))


def _follow(world: World) -> DgdrStatus:
    """Return the status with what the profiler says."""
    output = _output(world)
    if output is None:
        told = world.condition(Profiling.TYPE)
        over = told is not None and told.reason in _TROUBLES
        return enter(world, Phase.PROFILING, *([Profiling.running("", "")] if over else ()))
    run = output.run
    return enter(
        world,
        Phase.PROFILING,
        Profiling.running(run.phase, run.message),
        profiling_phase=run.phase[:_LONGEST_PHASE],
        profiling_progress=ProfilingProgress(completed=run.completed, total=run.total, message=run.message),
    )


def _stuck(world: World, trouble: Trouble) -> Decision:
    """Show why the pod does not run; give up after a while."""
    grace = world.settings.profiling.stuck_pod_grace_s
    waited = (world.now - trouble.since).total_seconds() if trouble.since else 0.0
    if waited > grace:
        failed = _fail(world, None, f"{trouble.message} (for {waited / 60:.0f} min)")
        job = world.job  # nobody waits for it any more; its pod would hold what it asks for
        return replace(failed, remove=[Remove("Job", job.metadata.name, job.metadata.uid)]) if job else failed
    waiting = Profiling.waiting(trouble.reason, trouble.message)
    told = world.condition(Profiling.TYPE)
    news = told is None or told.message != trouble.message
    return Decision(
        enter(world, Phase.PROFILING, waiting),
        events=[Event(trouble.reason, trouble.message, warning=True)] if news else (),
        after_s=grace - waited + 1,
    )


def _trouble(pod: Pod) -> Trouble | None:
    """Return why a pod does not run, if it does not."""
    name, status = pod.metadata.name, pod.status
    for each in status.conditions:
        if each.type == "PodScheduled" and each.status == "False":
            since = each.last_transition_time or pod.metadata.creation_timestamp
            return Trouble(_UNSCHEDULABLE, f"pod {name} cannot be scheduled: {each.message}", since)
    for container in (*status.init_container_statuses, *status.container_statuses):
        waiting = container.state.waiting
        if waiting and waiting.reason in _STUCK:
            words = (
                f"pod {name} cannot start: {waiting.reason} of {container.image or container.name}: {waiting.message}"
            )
            return Trouble(_STUCK[waiting.reason], words.rstrip(": "), pod.metadata.creation_timestamp)
    return None


def _condition(job: Job, kind: str) -> tuple[str, str, dt.datetime | None] | None:
    found = (c for c in job.status.conditions if c.type == kind and c.status == "True")
    return next(((c.reason, c.message, c.last_transition_time) for c in found), None)


def _why(failed: tuple[str, str, dt.datetime | None], pods: Sequence[Pod], output: Output | None) -> str:
    """Say why a Job failed: the profiler's own words, else those of its container, else those of the Job."""
    if output and output.run.error:
        return f"profiling failed: {output.run.error}"
    for pod in pods:
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
