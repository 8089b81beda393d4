"""Pending: is the request sound, which GPUs are there, then the Job."""

from collections.abc import Iterator, Sequence

from dgdr_api.conditions import Profiling, Validation
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.hardware import HardwareUsed, ValueSource
from dgdr_api.names import ANNOTATION_INPUTS, ANNOTATION_RETRIED, ANNOTATION_RETRY, job_name
from dgdr_api.preserved import preserved
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Hardware, Phase, ProfilingResults
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.hardware.resolve import HardwareNotFoundError, capacity, resolve
from dgdr_controller.hardware.status import shown
from dgdr_controller.hardware.tolerations import tolerations_of
from dgdr_controller.profiling_job.protocol import ProfilingPhase
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.reconciler import prerequisites, profiling_run
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, Remove, enter, news, since
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObjectName, ObservedState
from dgdr_controller.reconciler.prerequisites import Blocker
from dgdr_controller.settings import Settings
from dgdr_controller.validation.hardware import undescribed
from dgdr_controller.validation.request import validate
from dgdr_controller.validation.rights import forbidden

_LOOK_AGAIN_S = 30.0
_GONE_S = 2.0
_LOOKED_S = 1.0


def needs(observed: ObservedState) -> Need:
    """What a run depends on, and a base deployment; nothing in the first pass, which only sets the phase."""
    return Need(0) if observed.status.phase is None else Need.HARDWARE | Need.COMPOSITION | Need.MEASUREMENTS


def pending(observed: ObservedState) -> Decision:
    """Validate, resolve the hardware, make the Job."""
    request = observed.request
    if observed.status.phase is None:
        return Decision(
            enter(observed, Phase.PENDING, Profiling.discovering()),
            events=[Event("Initialized", "DGDR initialized successfully")],
        )
    try:
        if first := _checked(observed):
            return first
        hardware = resolve(
            request.spec.hardware or Hardware(),
            observed.nodes or (),
            multinode=observed.multinode,
            tolerations=tolerations_of(request.spec),
        )
    except InvalidRequestError as error:
        return _invalid(observed, error.errors)
    except HardwareNotFoundError as error:
        waiting = Profiling.waiting("WaitingForHardware", str(error))
        return _wait(observed, Blocker(waiting, ClusterState.GPUS), *prerequisites.blockers(observed, None))
    run = profiling_run.run_on(hardware, observed)
    if in_the_way := _lacking(observed, hardware) or _left_over(observed, run):
        return in_the_way
    return Decision(
        enter(
            observed,
            Phase.PROFILING,
            Validation.passed(),
            Profiling.running(ProfilingPhase.INITIALIZING, _preparing(observed, hardware)),
            hardware=shown(hardware),
            profiling_job_name=job_name(observed.name),
            profiling_phase=ProfilingPhase.INITIALIZING,
            profiling_results=ProfilingResults(start_time=observed.now),
        ),
        ensure=[*_tried(observed, run), *profiling_run.objects(observed, run)],
        annotations=_retried(observed),
        events=[Event("ProfilingJobCreated", "Profiling job created")],
    )


def _tried(observed: ObservedState, run: Run) -> Iterator[Ensure]:
    """Try the Job first, unless it is there: only the API server can judge it with all that the user lays over it."""
    if observed.job is None:
        yield profiling_run.tried(run)


def _preparing(observed: ObservedState, hardware: HardwareUsed) -> str:
    """Return what is being done, and what discovery has found that the user may not expect."""
    total, sku = hardware.total_gpus, hardware.gpu_sku
    there = capacity(sku, observed.nodes or (), tolerations_of(observed.request.spec))
    sentences = ["Discovering GPU hardware and preparing profiling job"]
    if total.source is not ValueSource.SPEC and there.found > total.value:
        sentences.append(
            f"{total.value} of the {there.found} {sku} GPUs found are used; set spec.hardware.totalGpus to use more"
        )
    if there.free is not None and there.free < total.value:
        sentences.append(f"{there.free} of {there.found} {sku} GPUs are free now")
    return ". ".join(sentences)


def _checked(observed: ObservedState) -> Decision | None:
    """Check what the request says by itself; wait for the inventory, and for the user's own deployment if it names one.

    Raises:
        InvalidRequestError: It breaks a rule, or that deployment is none.
    """
    request = observed.request
    if errors := [*validate(request), *_of_installation(request, observed.settings)]:
        raise InvalidRequestError(errors)
    if observed.nodes is None:
        looking = enter(observed, Phase.PENDING, Validation.passed(), Profiling.discovering())
        return Decision(looking, after_s=_LOOKED_S)
    wanted = preserved(request.metadata.annotations).base
    if wanted is None:
        return None
    if observed.base is not None:
        read_base(observed.base)
        return None
    namespace = observed.request.metadata.namespace
    # The words of Dynamo 0.9's controller.
    missing = f"ConfigMap {wanted.name} not found in namespace {namespace}, or key {wanted.key} not found in it"
    waiting = Profiling.waiting("WaitingForConfigMap", missing)
    base = Blocker(waiting, ObjectName("ConfigMap", wanted.name))
    return _wait(observed, base, *prerequisites.blockers(observed, None))


def _lacking(observed: ObservedState, hardware: HardwareUsed) -> Decision | None:
    """Wait for what the run would certainly fail without."""
    blockers = list(prerequisites.blockers(observed, hardware))
    return _wait(observed, *blockers) if blockers else None


def _wait(observed: ObservedState, first: Blocker, *others: Blocker) -> Decision:
    """Stay until what is awaited has changed; people are told of everything, and once."""
    blockers = (first, *others)
    messages = dict.fromkeys(blocker.condition.message for blocker in blockers)
    waiting = since(observed, Profiling.waiting(first.condition.reason, "; ".join(messages)))
    return Decision(
        enter(observed, Phase.PENDING, Validation.passed(), waiting),
        events=news(observed, waiting),
        after_s=_LOOK_AGAIN_S,
        awaits=frozenset(blocker.subject for blocker in blockers),
    )


def _of_installation(request: DynamoGraphDeploymentRequest, settings: Settings) -> Iterator[FieldError]:
    """Yield what this installation refuses."""
    yield from forbidden(request, settings.rights)
    yield from undescribed(request, settings.hardware)


def _invalid(observed: ObservedState, errors: Sequence[FieldError]) -> Decision:
    message = "; ".join(map(str, errors))
    return Decision(
        enter(observed, Phase.FAILED, Validation.failed(message)),
        annotations=_retried(observed),
        events=[Event("ValidationFailed", message, warning=True)],
    )


def _retried(observed: ObservedState) -> dict[str, str | None]:
    """Note down that a retry has been tried, however it ended: a failed request with a new one goes on for ever."""
    retry = observed.annotation(ANNOTATION_RETRY)
    return {ANNOTATION_RETRIED: retry} if retry != observed.annotation(ANNOTATION_RETRIED) else {}


def _left_over(observed: ObservedState, run: Run) -> Decision | None:
    """Wait for the end of an earlier run's objects: those of this request are removed, others' are not."""
    remove, foreign = [], []
    for kind, found in (("Job", observed.job), ("ConfigMap", observed.output_map or observed.foreign_output)):
        if found is None:
            continue
        if observed.owns(found.metadata):
            if found.metadata.annotations.get(ANNOTATION_INPUTS) != run.inputs or found.metadata.deletion_timestamp:
                remove.append(Remove(kind, found.metadata.name, found.metadata.uid))
        else:
            foreign.append(f"{kind} {found.metadata.name}")
    if not remove and not foreign:
        return None
    waiting = Profiling.waiting("WaitingForCleanup", "Deleting the objects of the previous run")
    if foreign:
        waiting = Profiling.name_conflict(*foreign)
    return Decision(enter(observed, Phase.PENDING, Validation.passed(), waiting), remove=remove, after_s=_GONE_S)
