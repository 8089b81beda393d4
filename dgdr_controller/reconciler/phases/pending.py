"""Pending: is the request sound, which GPUs are there, then the Job."""

from collections.abc import Sequence

from dgdr_api.conditions import Profiling, Validation
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.names import ANNOTATION_INPUTS, ANNOTATION_JOB_UID, ANNOTATION_RETRIED, ANNOTATION_RETRY, job_name
from dgdr_api.preserved import preserved
from dgdr_api.v1beta1 import Hardware, Phase, ProfilingResults
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.hardware.resolve import NotFoundError, resolve
from dgdr_controller.hardware.status import shown
from dgdr_controller.profiling_job import builder
from dgdr_controller.profiling_job.builder import Run
from dgdr_controller.profiling_job.protocol import ProfilingPhase
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, How, Remove, enter
from dgdr_controller.reconciler.observed_state import World
from dgdr_controller.validation.request import refused
from dgdr_controller.validation.rights import forbidden

_LOOK_AGAIN_S = 30.0
_GONE_S = 2.0


def pending(world: World) -> Decision:
    """Validate, resolve the hardware, make the Job."""
    request = world.request
    if world.status.phase is None:
        return Decision(
            enter(world, Phase.PENDING, Profiling.discovering()),
            events=[Event("Initialized", "DGDR initialized successfully")],
        )
    try:
        if first := _checked(world):
            return first
        hardware = resolve(request.spec.hardware or Hardware(), world.nodes, multinode=world.multinode)
    except InvalidRequestError as error:
        return _invalid(world, error.errors)
    except NotFoundError as error:
        waiting = Profiling.waiting("WaitingForHardware", str(error))
        return Decision(enter(world, Phase.PENDING, Validation.passed(), waiting), after_s=_LOOK_AGAIN_S)
    run = Run(request, hardware, world.settings)
    if in_the_way := _left_over(world, run):
        return in_the_way
    return Decision(
        enter(
            world,
            Phase.PROFILING,
            Validation.passed(),
            Profiling.running(ProfilingPhase.INITIALIZING, "Discovering GPU hardware and preparing profiling job"),
            hardware=shown(hardware),
            profiling_job_name=job_name(world.name),
            profiling_phase=ProfilingPhase.INITIALIZING,
            profiling_results=ProfilingResults(start_time=world.now),
        ),
        ensure=job_objects(world, run),
        annotations=_retried(world),
        events=[Event("ProfilingJobCreated", "Profiling job created")],
    )


def _checked(world: World) -> Decision | None:
    """Check what the request says by itself; wait for the user's own deployment, where it names one.

    Raises:
        InvalidRequestError: It breaks a rule, or that deployment is none.
    """
    request = world.request
    if errors := [*refused(request), *forbidden(request, world.settings.rights)]:
        raise InvalidRequestError(errors)
    wanted = preserved(request.metadata.annotations).base
    if wanted is None:
        return None
    if world.base is not None:
        read_base(world.base)
        return None
    place = world.request.metadata.namespace
    # Upstream's words (dynamo-api-facts §1.6).
    missing = f"ConfigMap {wanted.name} not found in namespace {place}, or key {wanted.key} not found in it"
    waiting = Profiling.waiting("WaitingForConfigMap", missing)
    return Decision(enter(world, Phase.PENDING, Validation.passed(), waiting), after_s=_LOOK_AGAIN_S)


def _invalid(world: World, errors: Sequence[FieldError]) -> Decision:
    message = "; ".join(map(str, errors))
    return Decision(
        enter(world, Phase.FAILED, Validation.failed(message)),
        annotations=_retried(world),
        events=[Event("ValidationFailed", message, warning=True)],
    )


def _retried(world: World) -> dict[str, str | None]:
    """Note down that a retry has been tried, however it ended: a failed request with a new one goes on for ever."""
    retry = world.annotation(ANNOTATION_RETRY)
    return {ANNOTATION_RETRIED: retry} if retry != world.annotation(ANNOTATION_RETRIED) else {}


def job_objects(world: World, run: Run) -> list[Ensure]:
    """Return the objects of a run, the Job last: when it is there, everything is."""
    return [
        Ensure(builder.input_config_map(run), How.CREATE),
        output_map(world, run, seen_jobs(world)),
        Ensure(builder.service_account(run), How.APPLY),
        Ensure(builder.role(run), How.APPLY),
        Ensure(builder.role_binding(run), How.APPLY),
        Ensure(builder.job(run), How.CREATE, refused=Profiling),
    ]


def seen_jobs(world: World) -> list[str]:
    """Return the UIDs of this run's Jobs, which the output's ConfigMap remembers: a count would miss a crash."""
    annotations = world.output_map.metadata.annotations if world.output_map else {}
    return [uid for uid in annotations.get(ANNOTATION_JOB_UID, "").split(",") if uid]


def output_map(world: World, run: Run, jobs: Sequence[str]) -> Ensure:
    """Return the ConfigMap of the output, with the Jobs that there have been.

    One that is there is changed only as it was seen: who has not heard of a Job yet must not strike it off.
    """
    manifest, known = builder.output_config_map(run), world.output_map
    if jobs:
        manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] = ",".join(jobs)
    if known is None:
        return Ensure(manifest, How.CREATE)
    inputs = known.metadata.annotations.get(ANNOTATION_INPUTS, run.inputs)
    manifest["metadata"]["annotations"][ANNOTATION_INPUTS] = inputs
    manifest["metadata"]["resourceVersion"] = known.metadata.resource_version
    return Ensure(manifest, How.APPLY)


def _left_over(world: World, run: Run) -> Decision | None:
    """Wait for the end of an earlier run's objects: those of this request are removed, others' are not."""
    remove, foreign = [], []
    for kind, found in (("Job", world.job), ("ConfigMap", world.output_map)):
        if found is None:
            continue
        if world.owns(found.metadata):
            if found.metadata.annotations.get(ANNOTATION_INPUTS) != run.inputs or found.metadata.deletion_timestamp:
                remove.append(Remove(kind, found.metadata.name, found.metadata.uid))
        else:
            foreign.append(f"{kind} {found.metadata.name}")
    if not remove and not foreign:
        return None
    waiting = Profiling.waiting("WaitingForCleanup", "Removing the objects of the run before")
    if foreign:
        waiting = Profiling.waiting("NameConflict", f"In the way, and of another owner: {' and '.join(foreign)}")
    return Decision(enter(world, Phase.PENDING, Validation.passed(), waiting), remove=remove, after_s=_GONE_S)
