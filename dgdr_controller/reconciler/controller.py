"""The controller of requests: what it watches, and which request each change is of."""

from collections.abc import Callable

from dgdr_api.names import LABEL_NAME, LABEL_POD, LABEL_TRIAL
from dgdr_controller.hardware.inventory import Inventory
from dgdr_controller.hardware.nodes import strip_unused_fields
from dgdr_controller.kinds import CONFIG_MAPS, DEPLOYMENTS, GRAPHS, JOBS, NODES, PODS, REQUESTS, Graph
from dgdr_controller.profiling_job.output import without_content
from dgdr_controller.reconciler import results_page
from dgdr_controller.reconciler.observe import BY_JOB, BY_REQUEST, JOB_LABEL, TRIALS, by_labels, by_pod_label
from dgdr_controller.reconciler.pod_problems import without_spec
from dgdr_controller.reconciler.reconciler import RequestReconciler
from dgdr_controller.runtime import CachedObject, Controller, Manager, Resource
from dgdr_controller.settings import Settings

_OURS = "nvidia.com/managed-by=dynamo-operator"


def add_controller(manager: Manager, settings: Settings, workers: int, graphs: Resource[Graph] = GRAPHS) -> Controller:
    """Add the controller of requests to a manager, and return it."""
    cache = manager.cache
    indexes = {BY_REQUEST: _values_of(LABEL_NAME)}
    cache.watch(graphs, optional=True, indexes=indexes | {TRIALS: _trials})
    cache.watch(JOBS, label_selector=_OURS)
    if settings.results_page:
        cache.watch(DEPLOYMENTS, label_selector=_OURS, transform=results_page.without_spec)
    cache.watch(CONFIG_MAPS, label_selector=_OURS, transform=without_content, indexes=indexes)
    by_pod = {BY_JOB: _values_of(JOB_LABEL), BY_REQUEST: _values_of(LABEL_POD)}
    cache.watch(PODS, label_selector=LABEL_POD, transform=without_spec, indexes=by_pod)
    cache.watch(NODES, transform=strip_unused_fields)

    inventory = None
    if settings.hardware.discovery:
        inventory = Inventory(manager.client)
        manager.add(inventory.run)
    recorder = manager.recorder("dgdr-controller")
    reconciler = RequestReconciler(cache, manager.client, recorder, settings, graphs, inventory)
    controller = (
        Controller(cache, reconciler, name="dgdr")
        .for_(REQUESTS)
        .owns(JOBS)
        .watches(CONFIG_MAPS, by_labels)
        .watches(graphs, by_labels)
        .watches(PODS, by_pod_label)
        .with_options(workers=workers, timeout=60.0)
    )
    if settings.results_page:
        controller.owns(DEPLOYMENTS)
    manager.add(controller)
    manager.add(lambda: reconciler.awaited.run(controller.enqueue))
    return controller


def _values_of(label: str) -> Callable[[CachedObject], list[str]]:
    def values(stored: CachedObject) -> list[str]:
        value = stored.meta.label(label)
        return [value] if value else []

    return values


def _trials(stored: CachedObject) -> list[str]:
    return [TRIALS] if stored.meta.label(LABEL_TRIAL) and stored.meta.label(LABEL_NAME) else []
