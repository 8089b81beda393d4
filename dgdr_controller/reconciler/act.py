"""The only place that writes: carries a decision out, in its order, so that it can be cut anywhere and repeated."""

from dataclasses import replace

from dgdr_api.conditions import Profiling, stated
from dgdr_api.names import ANNOTATION_INPUTS
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.kinds import REMOVED, REQUESTS, resource_of
from dgdr_controller.reconciler.decision import About, Decision, Ensure, Event, How, Manifest, enter
from dgdr_controller.reconciler.observed_state import World
from dgdr_controller.runtime import (
    AlreadyExistsError,
    ApiError,
    Client,
    ConflictError,
    EventRecorder,
    InvalidError,
    Key,
    NotFoundError,
    ObjectMeta,
    Reference,
    Result,
)
from dgdr_controller.runtime.errors import BadRequestError

_FIELD_MANAGER = "dgdr-controller"
_LOOK_AGAIN_S = 5.0


class InTheWayError(Exception):
    """The name of an object that is wanted is taken.

    Attributes:
        reason: How, in one word.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def act(client: Client, events: EventRecorder, meta: ObjectMeta, world: World, decision: Decision) -> Result:
    """Carry a decision out.

    Args:
        client: The API server.
        events: Tells people.
        meta: Metadata of the request as it was observed.
        world: What was observed.
        decision: What is to be done.

    Returns:
        When to look again.

    Raises:
        ApiError: The API server refuses for now, or somebody was faster: to be tried again.
    """
    for each in decision.remove:
        try:
            await client.delete(REMOVED[each.kind], Key(meta.namespace, each.name), uid=each.uid)
        except (NotFoundError, ConflictError):
            continue  # it is gone, or another one has its name by now
    for wanted in decision.ensure:
        try:
            await _ensure(client, wanted, world)
        except InTheWayError as error:
            await _wait(client, meta, world, wanted, error.reason, str(error))
            return Result.after(_LOOK_AGAIN_S)
        except (InvalidError, BadRequestError) as error:
            if wanted.refused is None:
                raise
            refused = replace(_refused(world, wanted, wanted.refused, error), annotations=decision.annotations)
            return await act(client, events, meta, world, refused)
        except ApiError as error:
            if not isinstance(error, ConflictError):
                await _wait(client, meta, world, wanted, "WaitingForApi", error.message)
            raise
    version = await _annotate(client, meta, decision)
    return await _write(client, events, meta, world, decision, version)


async def _annotate(client: Client, meta: ObjectMeta, decision: Decision) -> str:
    """Set annotations of the request; return its version after that."""
    if not decision.annotations:
        return meta.resource_version
    change = {"metadata": {"annotations": dict(decision.annotations), "resourceVersion": meta.resource_version}}
    patched = await client.patch(REQUESTS, meta.key, change)
    version: str = (patched.metadata.model_extra or {}).get("resourceVersion", meta.resource_version)
    return version


async def _ensure(client: Client, wanted: Ensure, world: World) -> None:
    """Bring an object into being; one of its name that is not of this request is a conflict."""
    manifest = wanted.manifest
    resource = resource_of(manifest)
    if wanted.how is How.APPLY:
        if manifest["metadata"].get("ownerReferences"):
            await _look(client, wanted, world)
        await client.apply(resource, manifest, field_manager=_FIELD_MANAGER, force=True)
        return
    if wanted.how is How.TRY:
        await _try(client, manifest)
        return
    try:
        await client.create(resource, manifest)
    except AlreadyExistsError:
        await _look(client, wanted, world)


async def _try(client: Client, manifest: Manifest) -> None:
    """Ask whether the API server would take an object; no answer is none, and one of its name says enough.

    Raises:
        InvalidError: It would not, whenever it is asked.
        BadRequestError: The same.
    """
    try:
        await client.create(resource_of(manifest), manifest, dry_run=True)
    except (InvalidError, BadRequestError):
        raise
    except ApiError:
        return


async def _look(client: Client, wanted: Ensure, world: World) -> None:
    """Make sure that an object's name is free or its own: the cache does not hold what others have made.

    Raises:
        InTheWayError: Another one has the name, or one of ours that is going or is for other inputs.
    """
    metadata = wanted.manifest["metadata"]
    try:
        found = await client.get(resource_of(wanted.manifest), Key(metadata["namespace"], metadata["name"]))
    except NotFoundError:
        return
    there = found.metadata
    if not world.owns(there):
        raise InTheWayError(
            "NameConflict", "it exists and was not made for this request; it is left as it is. Delete or rename it"
        )
    outdated = wanted.how is How.CREATE and there.annotations.get(ANNOTATION_INPUTS) != _inputs(wanted)
    if there.deletion_timestamp is not None or outdated:
        raise InTheWayError("WaitingForCleanup", "that of the run before is on its way out")


def _inputs(wanted: Ensure) -> str | None:
    inputs: str | None = (wanted.manifest["metadata"].get("annotations") or {}).get(ANNOTATION_INPUTS)
    return inputs


def _refused(world: World, wanted: Ensure, about: type[About], error: ApiError) -> Decision:
    """Return the end of a request whose object the API server will never take."""
    name = wanted.manifest["metadata"]["name"]
    message = f"{wanted.manifest['kind']} {name} was refused: {error.message}"
    reason = "DeploymentCreationFailed" if wanted.manifest["kind"] == "DynamoGraphDeployment" else "ProfilingJobFailed"
    return Decision(enter(world, Phase.FAILED, about.refused(message)), events=[Event(reason, message, warning=True)])


async def _wait(client: Client, meta: ObjectMeta, world: World, wanted: Ensure, reason: str, why: str) -> None:
    """Say what is awaited, once; the phase stays."""
    statement = (wanted.refused or Profiling).waiting(
        reason, f"{wanted.manifest['kind']} {wanted.manifest['metadata']['name']}: {why}"
    )
    conditions = stated(world.status.conditions or (), [statement], world.generation, world.now)
    status = world.status.model_copy(update={"conditions": conditions})
    await _write_status(client, meta, world, status, meta.resource_version)


async def _write(
    client: Client,
    events: EventRecorder,
    meta: ObjectMeta,
    world: World,
    decision: Decision,
    version: str,
) -> Result:
    await _write_status(client, meta, world, decision.status, version)
    about = Reference.to(REQUESTS, meta)
    for event in decision.events:
        (events.warning if event.warning else events.normal)(about, event.reason, event.message)
    return Result.done() if decision.after_s is None else Result.after(decision.after_s)


async def _write_status(client: Client, meta: ObjectMeta, world: World, status: DgdrStatus, version: str) -> None:
    """Write the status, unless it says what is there already."""
    if status != world.request.status:
        content = status.model_dump(mode="json", exclude_none=True)
        await client.replace_status(REQUESTS, Key(meta.namespace, meta.name), content, resource_version=version)
