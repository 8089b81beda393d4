"""Follows the pods that are bound to the node: runs them, writes their status, lets them go."""

import asyncio
import contextlib
import json
from collections.abc import Callable

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Cache, Client, ConflictError, Key, NotFoundError, Result
from dgdr_controller.runtime.transport import Request
from hack.virtual_kubelet.addresses import HOST, free_address
from hack.virtual_kubelet.kinds import PODS
from hack.virtual_kubelet.pod import Node, PodRunner
from hack.virtual_kubelet.states import Record
from hack.virtual_kubelet.status import ENDED, differs


class PodReconciler:
    """Keeps each pod's processes and status as the API server wants them.

    Args:
        cache: Knows the node's pods.
        node: The node.
        changed: Is called with the key of a pod whose status has changed.
    """

    def __init__(self, cache: Cache, node: Node, changed: Callable[[Key], None]) -> None:
        self._cache = cache
        self._node = node
        self._changed = changed
        self._runners: dict[Key, PodRunner] = {}
        self._last = ""

    def record(self, key: Key, container: str) -> Record | None:
        """Return what is known of a container of a pod that this kubelet has run; None of others."""
        runner = self._runners.get(key)
        return runner.record(container) if runner else None

    async def reconcile(self, key: Key) -> Result:
        """Do what a pod needs next."""
        pod, runner = self._cache.get(PODS, key), self._runners.get(key)
        if runner and (pod is None or pod["metadata"]["uid"] != runner.uid):
            runner.stop(0.0)
            if not runner.ended:
                return Result.done()
            del self._runners[key]
        if pod is None:
            self.remove_orphans()
        else:
            await self._tend(key, pod)
        return Result.done()

    async def _tend(self, key: Key, pod: Manifest) -> None:
        metadata = pod["metadata"]
        deleted = "deletionTimestamp" in metadata
        runner = self._runners.get(key)
        if runner is None and pod["status"].get("phase") not in ENDED:
            runner = self._runners[key] = self._runner(key, pod)
            runner.start()
        if runner:
            runner.update(pod)
            if deleted:
                runner.stop(metadata.get("deletionGracePeriodSeconds", 0))
            wanted = runner.status()
            if differs(wanted, pod["status"]):
                version = metadata["resourceVersion"]
                with contextlib.suppress(NotFoundError):  # deleted at once; the watch will tell
                    await self._node.client.patch_status(PODS, key, wanted, resource_version=version)
        if deleted and (runner is None or runner.ended) and metadata.get("deletionGracePeriodSeconds"):
            await _delete(self._node.client, key, metadata["uid"])

    def _runner(self, key: Key, pod: Manifest) -> PodRunner:
        address = HOST if pod["spec"].get("hostNetwork") else pod["status"].get("podIP", "")
        if not address:
            others = {other["status"].get("podIP", "") for other in self._cache.list(PODS)}
            used = others | {runner.address for runner in self._runners.values()}
            address = self._last = free_address(self._node.layout.name, used, self._last)
        return PodRunner(pod, address, self._node, lambda: self._changed(key))

    def remove_orphans(self) -> None:
        """Remove the files of pods that do not exist any more."""
        for folder in self._node.folder.others(list(self._cache.list(PODS))):
            folder.remove()

    async def run(self) -> None:
        """Remove what an earlier kubelet has left; when cancelled, kill what runs."""
        self.remove_orphans()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.gather(*(runner.abort() for runner in self._runners.values()))


async def _delete(client: Client, key: Key, uid: str) -> None:
    """Delete a pod at once: its containers have ended."""
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
    with contextlib.suppress(NotFoundError, ConflictError):
        await client.transport.send(Request("DELETE", PODS.path(*key), {}, json.dumps(options).encode()))
