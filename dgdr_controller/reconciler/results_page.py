"""The results page: served for a request whose user looks before anything is deployed.

Level-triggered: its objects are written where its Deployment is missing or of other inputs, and the Deployment last of
all: no pod runs without its Role or its NetworkPolicy. They go with the request, which never waits for them.
"""

from collections.abc import Callable
from typing import Any

from dgdr_api.names import ANNOTATION_INPUTS
from dgdr_api.v1beta1 import Phase, SearchStrategy
from dgdr_controller.kinds import DEPLOYMENTS, REQUESTS, Named
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler import dgd
from dgdr_controller.reconciler.act import NameTakenError, RejectedError, ensure
from dgdr_controller.reconciler.decision import Ensure, WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.results_page_objects import results_page
from dgdr_controller.runtime import (
    Client,
    ConflictError,
    EventRecorder,
    Key,
    NotFoundError,
    ObjectMeta,
    Reference,
    RequestError,
)

_SHOWN = (Phase.READY, Phase.DEPLOYING, Phase.DEPLOYED)
_AGAIN_S = 300.0
"""When what could not be written is tried again."""


def wanted_objects(observed: ObservedState) -> list[Manifest]:
    """Return the objects that are to be written, in their order; nothing where all is there, or nobody looks."""
    if not observed.settings.results_page or observed.request.spec.auto_apply:
        return []
    thorough = observed.request.spec.search_strategy is SearchStrategy.THOROUGH
    if observed.phase not in _SHOWN and not (observed.phase is Phase.PROFILING and thorough):
        return []
    made = results_page(observed.request, dgd.name_of(observed), observed.settings)
    page, inputs = observed.results_page, made[-1]["metadata"]["annotations"][ANNOTATION_INPUTS]
    there = page is not None and observed.owns(page.metadata)
    return [] if there and page is not None and page.metadata.annotations.get(ANNOTATION_INPUTS) == inputs else made


def unwanted(observed: ObservedState) -> Named | None:
    """Return the Deployment of a request whose user has switched autoApply on; None where there is none."""
    page = observed.results_page
    if page is None or not observed.request.spec.auto_apply or page.metadata.deletion_timestamp is not None:
        return None
    return page if observed.owns(page.metadata) else None


class ResultsPages:
    """Writes the objects of pages, after everything else of a pass. What is refused is tried again after a while.

    Args:
        client: The API server.
        events: Events on requests.
        clock: Monotonic time in seconds.
    """

    def __init__(self, client: Client, events: EventRecorder, clock: Callable[[], float]) -> None:
        self._client, self._events, self._clock = client, events, clock
        self._refused: dict[Key, float] = {}

    def forget(self, key: Key) -> None:
        """Drop what is known of a request that is gone."""
        self._refused.pop(key, None)

    async def serve(self, observed: ObservedState, meta: ObjectMeta) -> float | None:
        """Write what is missing of a request's page, or take it down.

        Returns:
            After how many seconds to look again; None: not at all.
        """
        if (page := unwanted(observed)) is not None:
            await self._remove(page)
            return None
        made = wanted_objects(observed)
        if not made:
            self._refused.pop(meta.key, None)
            return None
        if (left := self._refused.get(meta.key, 0.0) - self._clock()) > 0:
            return left
        for manifest in made:
            try:
                await ensure(self._client, Ensure(manifest, WriteMode.APPLY), observed)
            except (NameTakenError, RejectedError, RequestError) as error:
                what = f"{manifest['kind']} {manifest['metadata']['name']}"
                message = f"The results page cannot be served: {what}: {error}"
                self._events.warning(Reference.to(REQUESTS, meta), "ResultsPageUnavailable", message)
                self._refused[meta.key] = self._clock() + _AGAIN_S
                return _AGAIN_S
        return None

    async def _remove(self, page: Named) -> None:
        key = Key(page.metadata.namespace, page.metadata.name)
        try:
            await self._client.delete(DEPLOYMENTS, key, uid=page.metadata.uid)
        except (NotFoundError, ConflictError):
            return  # it is gone, or another one


def without_spec(deployment: dict[str, Any]) -> dict[str, Any]:
    """Keep of a Deployment what is read here, for a cache: its metadata."""
    return {"metadata": deployment["metadata"]}
