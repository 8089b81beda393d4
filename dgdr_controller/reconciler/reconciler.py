"""One pass over a request: observe, let its phase decide, act."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from dgdr_api.v1beta1 import Phase
from dgdr_controller.hardware.inventory import Inventory
from dgdr_controller.kinds import GRAPHS, REQUESTS, Graph
from dgdr_controller.reconciler import prerequisites, trials, verification
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.awaited import Awaited
from dgdr_controller.reconciler.decision import Decision
from dgdr_controller.reconciler.deletion import release, sweep
from dgdr_controller.reconciler.metrics import Phases
from dgdr_controller.reconciler.observe import Observer
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.phases import deployed, deploying, failed, pending, profiling, ready
from dgdr_controller.reconciler.results_page import ResultsPages
from dgdr_controller.reconciler.spec_change import with_refusal
from dgdr_controller.reconciler.throttle import Throttle
from dgdr_controller.reconciler.unreadable import report_unreadable
from dgdr_controller.runtime import Cache, Client, EventRecorder, Key, Resource, Result
from dgdr_controller.settings import Settings


def _nothing(_: ObservedState) -> Need:
    return Need(0)


@dataclass(frozen=True, slots=True)
class PhaseLogic:
    """How a phase is reconciled.

    Attributes:
        decide: From what is observed to what is done.
        needs: What it needs to see besides what the watches report.
    """

    decide: Callable[[ObservedState], Decision]
    needs: Callable[[ObservedState], Need] = _nothing


PHASES = {
    Phase.PENDING: PhaseLogic(pending.pending, pending.needs),
    Phase.PROFILING: PhaseLogic(profiling.profiling, profiling.needs),
    Phase.READY: PhaseLogic(ready.ready, ready.needs),
    Phase.DEPLOYING: PhaseLogic(deploying.deploying),
    Phase.DEPLOYED: PhaseLogic(deployed.deployed),
    Phase.FAILED: PhaseLogic(failed.failed),
}


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


def _needs(phase: PhaseLogic, observed: ObservedState) -> Need:
    found = phase.needs(observed) | prerequisites.needs(observed)
    return found | trials.needs(observed) | verification.needs(observed)


class RequestReconciler:
    """Takes requests from ``kubectl apply`` to a deployment. All state that matters is in the API server.

    Args:
        cache: What the watches report.
        client: The API server.
        events: Events on requests.
        settings: The installation's settings.
        graphs: DynamoGraphDeployments in the version that the cluster serves.
        inventory: What is known of the cluster's GPUs beyond its nodes; None: GPUs are not looked for.

    Attributes:
        awaited: What requests wait for that no watch reports.
    """

    def __init__(
        self,
        cache: Cache,
        client: Client,
        events: EventRecorder,
        settings: Settings,
        graphs: Resource[Graph] = GRAPHS,
        inventory: Inventory | None = None,
    ) -> None:
        self._cache, self._client, self._events, self._graphs = cache, client, events, graphs
        self._observer = Observer(cache, client, settings, graphs, inventory)
        self.awaited = Awaited(self._observer.look)
        self._phases = Phases()
        self._throttle = Throttle(_monotonic)
        self._pages = ResultsPages(client, events, _monotonic)

    async def reconcile(self, key: Key) -> Result:
        """Take one step with a request."""
        meta = self._cache.meta(REQUESTS, key)
        if meta is None or meta.deletion_timestamp:
            self._throttle.forget(key)
            self._pages.forget(key)
            self._phases.forget(key)
            self.awaited.update(key, {})
            if meta is not None:
                await release(self._client, meta)
            else:
                await sweep(self._client, self._graphs, self._observer.trials(key))
            return Result.done()
        try:
            request = self._cache.get(REQUESTS, key)
        except ValidationError as error:
            self._phases.update(key, Phase.FAILED)
            self.awaited.update(key, {})
            return await report_unreadable(self._cache, self._client, meta, error)
        if request is None:
            return Result.done()
        current = (request.status and request.status.phase) or Phase.PENDING
        self._phases.update(key, current)
        phase = PHASES[current]
        observed = await self._observer.observe(request, meta.generation, lambda o: _needs(phase, o))
        self._phases.update(key, observed.phase, observed.phase_start)
        decision = with_refusal(observed, prerequisites.with_warnings(observed, phase.decide(observed)))
        decision = verification.with_verification(observed, trials.with_trials(observed, decision))
        self.awaited.update(key, {subject: observed.seen(subject) for subject in decision.awaits})
        if decision.is_progress and decision.status != request.status:
            if remaining := self._throttle.remaining_s(key):
                return Result.after(remaining)
            self._throttle.record(key)
        result = await act(self._client, self._events, meta, observed, decision)
        pauses = (result.requeue_after, await self._pages.serve(observed, meta))
        return Result(requeue_after=min((pause for pause in pauses if pause is not None), default=None))
