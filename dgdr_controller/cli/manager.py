"""``dgdr manager``: the controller itself."""

import asyncio
import os

import click

from dgdr_controller.hardware.nodes import without_the_rest
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, JOBS, NODES, PODS, REQUESTS
from dgdr_controller.reconciler.request import BY_JOB, RequestReconciler, by_labels
from dgdr_controller.runtime import Config, Controller, LeaderElection, Manager, Stored
from dgdr_controller.runtime.log import configure
from dgdr_controller.settings import Settings

_OURS = "nvidia.com/managed-by=dynamo-operator"
_JOB_LABEL = "batch.kubernetes.io/controller-uid"


@click.command()
@click.option("--kubeconfig", metavar="FILE", help="Instead of the pod's own account.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.")
@click.option("--metrics-address", default=":8080", show_default=True, help="Where /metrics is served; empty: nowhere.")
@click.option("--health-address", default=":8081", show_default=True, help="Where /healthz and /readyz are served.")
@click.option(
    "--leader-election/--no-leader-election", default=True, show_default=True, help="Only one of several works."
)
@click.option(
    "--leader-election-namespace", default="", metavar="NAMESPACE", help="Where the Lease is. Default: the pod's own."
)
@click.option("--workers", default=4, show_default=True, help="Requests that are worked on at a time.")
def manager(  # noqa: PLR0913 - one for each option
    *,
    kubeconfig: str | None,
    context: str | None,
    metrics_address: str,
    health_address: str,
    leader_election: bool,
    leader_election_namespace: str,
    workers: int,
) -> None:
    """Run the controller until SIGTERM."""
    configure()
    if kubeconfig:
        os.environ["KUBECONFIG"] = kubeconfig
    config = Config.load(context)
    namespace = leader_election_namespace or os.environ.get("POD_NAMESPACE", "default")
    it = Manager(
        config,
        leader_election=LeaderElection("dgdr-controller", namespace=namespace) if leader_election else None,
        metrics_address=metrics_address,
        health_address=health_address,
    )
    controller(it, Settings(), workers)
    asyncio.run(it.run())


def controller(it: Manager, settings: Settings, workers: int) -> Controller:
    """Add the controller of requests to a manager."""
    cache = it.cache
    cache.watch(GRAPHS, optional=True)
    cache.watch(JOBS, label_selector=_OURS)
    cache.watch(CONFIG_MAPS, label_selector=_OURS)
    cache.watch(PODS, label_selector="app=dynamo-profiler", indexes={BY_JOB: _job_of})
    cache.watch(NODES, transform=without_the_rest)

    reconciler = RequestReconciler(cache, it.client, it.recorder("dgdr-controller"), settings)
    return (
        Controller(it, reconciler, name="dgdr")
        .for_(REQUESTS)
        .owns(JOBS)
        .watches(CONFIG_MAPS, by_labels)
        .watches(GRAPHS, by_labels)
        .watches(PODS, by_labels)
        .with_options(workers=workers, timeout=60.0)
    )


def _job_of(stored: Stored) -> list[str]:
    uid = stored.meta.label(_JOB_LABEL)
    return [uid] if uid else []
