"""Carries a decision out, in its order, so that it can be cut anywhere and repeated. Phases do not write."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from dgdr_api.conditions import NOT_OURS, Profiling, Succeeded, set_conditions
from dgdr_api.names import ANNOTATION_INPUTS, DGD_KIND
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.kinds import REMOVED, REQUESTS, resource_of
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler import metrics, traces
from dgdr_controller.reconciler.decision import (
    Decision,
    Ensure,
    Event,
    ObjectCondition,
    Refused,
    WriteMode,
    enter,
    since,
)
from dgdr_controller.reconciler.observed_state import ObservedState
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
    PatchType,
    Reference,
    Result,
)
from dgdr_controller.runtime.errors import BadRequestError, ForbiddenError

_FIELD_MANAGER = "dgdr-controller"
_RETRY_S = 5.0
_NO_DRY_RUN = "does not support dry run"
"""What the API server says when it may not ask a webhook; the webhook has refused nothing."""


class NameTakenError(Exception):
    """The name of an object that is wanted is taken.

    Attributes:
        reason: Reason for the condition.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RejectedError(Exception):
    """The API server rejects an object for good.

    Attributes:
        manifest: The object.
        condition: The condition that reports it.
    """

    def __init__(self, manifest: Manifest, condition: type[ObjectCondition], error: ApiError) -> None:
        super().__init__(error.message)
        self.manifest, self.condition = manifest, condition


async def act(
    client: Client, events: EventRecorder, meta: ObjectMeta, observed: ObservedState, decision: Decision
) -> Result:
    """Carry a decision out.

    Args:
        client: The API server.
        events: Events on requests.
        meta: Metadata of the request as it was observed.
        observed: What was observed.
        decision: What is to be done.

    Returns:
        When to look again.

    Raises:
        ApiError: The API server does not accept it now, or somebody was faster: to be retried.
    """
    await _remove(client, observed, decision)
    for wanted in decision.ensure:
        try:
            if wanted.instead is None:
                await ensure(client, wanted, observed)
            else:
                decision = await _try(client, wanted, wanted.instead, observed, decision)
        except NameTakenError as error:
            await _report_waiting(client, meta, observed, wanted, error.reason, str(error))
            return Result.after(_RETRY_S)
        except RejectedError as error:
            decision = replace(_rejected(observed, error), annotations=decision.annotations)
            break
        except ApiError as error:
            if not isinstance(error, ConflictError):
                await _report_waiting(client, meta, observed, wanted, "WaitingForApi", error.message)
            raise
    version = await _annotate(client, meta, decision)
    return await _write(client, events, meta, observed, decision, version)


async def _remove(client: Client, observed: ObservedState, decision: Decision) -> None:
    for removal in decision.remove:
        resource = observed.graphs if removal.kind == DGD_KIND else REMOVED[removal.kind]
        try:
            await client.delete(resource, Key(observed.key.namespace, removal.name), uid=removal.uid)
        except (NotFoundError, ConflictError):
            continue  # it is gone, or another object has its name by now


async def _annotate(client: Client, meta: ObjectMeta, decision: Decision) -> str:
    """Set annotations of the request; return its version after that."""
    if not decision.annotations:
        return meta.resource_version
    change = {"metadata": {"annotations": dict(decision.annotations), "resourceVersion": meta.resource_version}}
    patched = await client.patch(REQUESTS, meta.key, change)
    version: str = (patched.metadata.model_extra or {}).get("resourceVersion", meta.resource_version)
    return version


async def _try(
    client: Client, wanted: Ensure, instead: Callable[[str, bool], Refused], observed: ObservedState, decision: Decision
) -> Decision:
    """Write an object that the request can do without; where it is not accepted, what is to be in its place.

    Raises:
        ApiError: The API server does not answer, or somebody was faster.
    """
    try:
        await ensure(client, wanted, observed)
    except (InvalidError, BadRequestError, RejectedError) as error:
        refused = instead(str(error), True)  # noqa: FBT003 - of the field's type
    except (ForbiddenError, NameTakenError) as error:
        refused = instead(str(error), False)  # noqa: FBT003
    else:
        return decision
    if refused.ensure is not None:
        await ensure(client, refused.ensure, observed)
    status = decision.status
    if refused.condition is not None:
        conditions = set_conditions(status.conditions or (), [refused.condition], observed.generation, observed.now)
        status = status.model_copy(update={"conditions": conditions})
    return replace(decision, status=status, events=[*decision.events, *refused.events])


async def ensure(client: Client, wanted: Ensure, observed: ObservedState) -> None:
    """Write an object.

    Raises:
        NameTakenError: Its name is taken.
        RejectedError: The API server will never accept it.
        ApiError: The API server does not accept it now.
    """
    try:
        await _WRITES[wanted.mode](client, wanted, observed)
    except (InvalidError, BadRequestError) as error:
        if wanted.condition is None:
            raise
        raise RejectedError(wanted.manifest, wanted.condition, error) from error


async def _apply(client: Client, wanted: Ensure, observed: ObservedState) -> None:
    """Apply an object.

    Raises:
        NameTakenError: Its name is taken.
    """
    if wanted.manifest["metadata"].get("ownerReferences"):
        await _check_name(client, wanted, observed)
    await client.apply(resource_of(wanted.manifest), wanted.manifest, field_manager=_FIELD_MANAGER, force=True)


async def _create(client: Client, wanted: Ensure, observed: ObservedState) -> None:
    """Create an object that is not there.

    Raises:
        NameTakenError: Its name is taken.
        AlreadyExistsError: It was, a moment ago.
    """
    try:
        await client.create(resource_of(wanted.manifest), wanted.manifest)
    except AlreadyExistsError:
        if not await _check_name(client, wanted, observed):
            raise  # it is gone by now: what follows must not be made without it


async def _replace(client: Client, wanted: Ensure, _: ObservedState) -> None:
    """Replace an object's spec; labels and annotations of others stay.

    Raises:
        ConflictError: It has changed since it was seen.
        NameTakenError: The API server does not let it become what is wanted.
    """
    metadata = wanted.manifest["metadata"]
    change = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
        {"op": "add", "path": "/metadata/labels", "value": metadata["labels"]},
        {"op": "add", "path": "/metadata/annotations", "value": metadata["annotations"]},
        {"op": "replace", "path": "/spec", "value": wanted.manifest["spec"]},
    ]
    key = Key(metadata["namespace"], metadata["name"])
    try:
        await client.patch(resource_of(wanted.manifest), key, change, kind=PatchType.JSON)
    except NotFoundError:
        return  # it is made the next time
    except (InvalidError, BadRequestError, ForbiddenError) as error:
        message = f"it cannot be changed in place ({error.message}); delete it, and the controller creates it again"
        raise NameTakenError("ReplaceRefused", message) from error


async def _own(client: Client, wanted: Ensure, _: ObservedState) -> None:
    """Change who owns an object.

    Raises:
        ConflictError: It has changed since it was seen.
    """
    metadata = wanted.manifest["metadata"]
    change = {"metadata": {name: metadata[name] for name in ("resourceVersion", "ownerReferences")}}
    try:
        await client.patch(resource_of(wanted.manifest), Key(metadata["namespace"], metadata["name"]), change)
    except NotFoundError:
        return  # there is nothing to own


async def _dry_run(client: Client, wanted: Ensure, _: ObservedState) -> None:
    """Ask whether the API server would accept an object. No answer is none; an object of its name is answer enough.

    Raises:
        InvalidError: It never will.
        BadRequestError: The same.
        ForbiddenError: It does not now, and that is waited for.
    """
    try:
        await client.create(resource_of(wanted.manifest), wanted.manifest, dry_run=True)
    except (InvalidError, BadRequestError) as error:
        if _NO_DRY_RUN not in error.message:
            raise
    except ForbiddenError:
        if wanted.waits:
            raise
    except ApiError:
        return


_WRITES: Mapping[WriteMode, Callable[[Client, Ensure, ObservedState], Awaitable[None]]] = {
    WriteMode.APPLY: _apply,
    WriteMode.CREATE: _create,
    WriteMode.REPLACE: _replace,
    WriteMode.OWN: _own,
    WriteMode.DRY_RUN: _dry_run,
}


async def _check_name(client: Client, wanted: Ensure, observed: ObservedState) -> bool:
    """Check that an object's name is free or its own: the cache does not hold what others have created.

    Returns:
        Whether the object is there.

    Raises:
        NameTakenError: Another object has the name, or one of an earlier run.
    """
    metadata = wanted.manifest["metadata"]
    try:
        found = await client.get(resource_of(wanted.manifest), Key(metadata["namespace"], metadata["name"]))
    except NotFoundError:
        return False
    existing = found.metadata
    if not observed.owns(existing):
        raise NameTakenError("NameConflict", f"it {NOT_OURS}")
    outdated = wanted.mode is WriteMode.CREATE and existing.annotations.get(ANNOTATION_INPUTS) != _inputs(wanted)
    if existing.deletion_timestamp is not None or outdated:
        raise NameTakenError("WaitingForCleanup", "the previous run's object is still terminating")
    return True


def _inputs(wanted: Ensure) -> str | None:
    inputs: str | None = (wanted.manifest["metadata"].get("annotations") or {}).get(ANNOTATION_INPUTS)
    return inputs


def _rejected(observed: ObservedState, error: RejectedError) -> Decision:
    """Return the end of a request whose object the API server will never accept."""
    kind, name = error.manifest["kind"], error.manifest["metadata"]["name"]
    message = f"{kind} {name} was refused: {error}"
    reason = "DeploymentCreationFailed" if kind == DGD_KIND else "ProfilingJobFailed"
    failed = enter(observed, Phase.FAILED, error.condition.refused(message))
    return Decision(failed, events=[Event(reason, message, warning=True)])


async def _report_waiting(
    client: Client, meta: ObjectMeta, observed: ObservedState, wanted: Ensure, reason: str, message: str
) -> None:
    """Write what the request waits for, once; the phase stays."""
    name = f"{wanted.manifest['kind']} {wanted.manifest['metadata']['name']}"
    update = since(observed, (wanted.condition or Profiling).waiting(reason, f"{name}: {message}"))
    conditions = set_conditions(observed.status.conditions or (), [update], observed.generation, observed.now)
    if observed.status.phase is Phase.PENDING:
        succeeded = Succeeded.of(Phase.PENDING, conditions)
        conditions = set_conditions(conditions, [succeeded], observed.generation, observed.now)
    status = observed.status.model_copy(update={"conditions": conditions})
    await _write_status(client, meta, observed, status, meta.resource_version)


async def _write(
    client: Client,
    events: EventRecorder,
    meta: ObjectMeta,
    observed: ObservedState,
    decision: Decision,
    version: str,
) -> Result:
    await _write_status(client, meta, observed, decision.status, version)
    metrics.record(observed, decision)
    traces.record(observed, decision.status)
    request = Reference.to(REQUESTS, meta)
    for event in decision.events:
        (events.warning if event.warning else events.normal)(request, event.reason, event.message)
    return Result.done() if decision.after_s is None else Result.after(decision.after_s)


async def _write_status(
    client: Client, meta: ObjectMeta, observed: ObservedState, status: DgdrStatus, version: str
) -> None:
    """Write the status, unless it is there already."""
    if status != observed.request.status:
        content = status.model_dump(mode="json", exclude_none=True)
        await client.replace_status(REQUESTS, meta.key, content, resource_version=version)
