"""Deletion of a request: owner references do the rest, and nothing may keep it."""

from collections.abc import Iterable

from dgdr_api.names import DYNAMOS_FINALIZER
from dgdr_controller.kinds import REQUESTS, Graph
from dgdr_controller.runtime import Client, ConflictError, Key, NotFoundError, ObjectMeta, Resource


async def sweep(client: Client, resource: Resource[Graph], trials: Iterable[Graph]) -> None:
    """Delete deployments that were measured for a request which is gone: somebody has had them orphaned.

    Raises:
        ApiError: One cannot be deleted now.
    """
    for trial in trials:
        if trial.metadata.deletion_timestamp is None:
            try:
                await client.delete(
                    resource, Key(trial.metadata.namespace, trial.metadata.name), uid=trial.metadata.uid
                )
            except (NotFoundError, ConflictError):
                continue


async def release(client: Client, meta: ObjectMeta) -> None:
    """Remove the finalizer of Dynamo's own controller from a request that is being deleted.

    Only then: where that controller still runs, it would add it again at once.

    Raises:
        ApiError: It cannot be removed now.
    """
    finalizers = meta.finalizers or ()
    if meta.deletion_timestamp is None or DYNAMOS_FINALIZER not in finalizers:
        return
    others = [finalizer for finalizer in finalizers if finalizer != DYNAMOS_FINALIZER]
    change = {"metadata": {"finalizers": others, "resourceVersion": meta.resource_version}}
    try:
        await client.patch(REQUESTS, meta.key, change)
    except NotFoundError:
        return  # it is gone already
