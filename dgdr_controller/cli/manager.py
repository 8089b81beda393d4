"""``dgdr manager``: the controller itself."""

import asyncio
import os
from pathlib import Path

import click

from dgdr_controller.admission import WebhookServer
from dgdr_controller.admission.certificates import Files, SelfManaged, ServingCertificates, Targets
from dgdr_controller.cli.settings import load_settings
from dgdr_controller.hardware.nodes import strip_unused_fields
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, GRAPHS_V1ALPHA1, JOBS, NODES, PODS, REQUESTS, Graph
from dgdr_controller.reconciler.observe import BY_JOB, by_labels
from dgdr_controller.reconciler.reconciler import RequestReconciler
from dgdr_controller.runtime import (
    CachedObject,
    Client,
    Config,
    Controller,
    Key,
    LeaderElection,
    Manager,
    RequestError,
    Resource,
)
from dgdr_controller.runtime.log import configure, get_logger
from dgdr_controller.settings import Settings, WebhookSettings

_OURS = "nvidia.com/managed-by=dynamo-operator"
_JOB_LABEL = "batch.kubernetes.io/controller-uid"

_LOOK_AGAIN_S = 30.0
_SELF_MANAGED = "self-managed"

log = get_logger(__name__)


@click.command()
@click.option("--kubeconfig", metavar="FILE", help="Kubeconfig to use instead of the pod's ServiceAccount.")
@click.option("--context", metavar="NAME", help="Context of the kubeconfig to use.")
@click.option("--metrics-address", default=":8080", show_default=True, help="Address for /metrics; empty to disable.")
@click.option(
    "--metrics-secure/--no-metrics-secure",
    default=True,
    show_default=True,
    help="Serve /metrics over TLS, to clients that RBAC allows to get /metrics.",
)
@click.option("--health-address", default=":8081", show_default=True, help="Address for /healthz and /readyz.")
@click.option(
    "--leader-election/--no-leader-election",
    default=True,
    show_default=True,
    help="Run leader election: only the leader reconciles.",
)
@click.option(
    "--leader-election-namespace",
    default="",
    metavar="NAMESPACE",
    help="Namespace of the Lease. Default: the pod's namespace.",
)
@click.option("--workers", default=4, show_default=True, help="Number of requests reconciled at a time.")
def manager(  # noqa: PLR0913 - one for each option
    *,
    kubeconfig: str | None,
    context: str | None,
    metrics_address: str,
    metrics_secure: bool,
    health_address: str,
    leader_election: bool,
    leader_election_namespace: str,
    workers: int,
) -> None:
    """Run the controller until SIGTERM."""
    configure()
    settings = load_settings()
    if kubeconfig:
        os.environ["KUBECONFIG"] = kubeconfig
    config = Config.load(context)
    namespace = leader_election_namespace or os.environ.get("POD_NAMESPACE", "default")
    controller_manager = Manager(
        config,
        leader_election=LeaderElection("dgdr-controller", namespace=namespace) if leader_election else None,
        metrics_address=metrics_address,
        metrics_secure=metrics_secure,
        health_address=health_address,
    )
    asyncio.run(_run(controller_manager, settings, workers, os.environ.get("POD_NAMESPACE", "dgdr-system")))


async def _run(manager: Manager, settings: Settings, workers: int, namespace: str) -> None:
    if settings.webhook.address:
        serve_webhooks(manager, settings.webhook, namespace)
    graphs = await served_graphs(manager.client)
    add_controller(manager, settings, workers, graphs)
    manager.add(lambda: _follow(manager, graphs))
    await manager.run()


def serve_webhooks(manager: Manager, settings: WebhookSettings, namespace: str) -> WebhookServer:
    """Add the server that the API server asks to a manager."""
    if settings.certificates == _SELF_MANAGED:
        targets = Targets(Key(namespace, settings.service), settings.mutating, settings.validating)
        certificates = ServingCertificates(
            SelfManaged(manager.config, secret=Key(namespace, settings.secret), targets=targets)
        )
    else:
        certificates = ServingCertificates(Files(Path(settings.certificates)))
    server = WebhookServer(settings.address, certificates.context)
    manager.add_server(certificates)
    manager.add_server(server)
    manager.add_check("webhooks", server.check)
    return server


class VersionChangedError(Exception):
    """Dynamo was installed after this program was started, in a version that it does not watch: start it again."""


async def _follow(manager: Manager, graphs: Resource[Graph]) -> None:
    """End the program where deployments turn up in another version than the one that is watched."""
    while True:
        await asyncio.sleep(_LOOK_AGAIN_S)
        if not manager.cache.available(graphs) and (found := await served_graphs(manager.client)) != graphs:
            raise VersionChangedError(f"the cluster serves {found.api_version} {found.kind}, not {graphs.api_version}")


async def served_graphs(client: Client) -> Resource[Graph]:
    """Return DynamoGraphDeployments in the version that the cluster serves: v1beta1, or Dynamo 1.1's v1alpha1.

    Where it serves none, or does not answer, they are looked for as v1beta1 later on.
    """
    try:
        for graphs in (GRAPHS, GRAPHS_V1ALPHA1):
            if await client.serves(graphs):
                return graphs
    except RequestError as error:
        log.warning("Cannot find out which version of a kind the cluster serves", kind=str(GRAPHS), error=error)
    return GRAPHS


def add_controller(manager: Manager, settings: Settings, workers: int, graphs: Resource[Graph] = GRAPHS) -> Controller:
    """Add the controller of requests to a manager, and return it."""
    cache = manager.cache
    cache.watch(graphs, optional=True)
    cache.watch(JOBS, label_selector=_OURS)
    cache.watch(CONFIG_MAPS, label_selector=_OURS)
    cache.watch(PODS, label_selector="app=dynamo-profiler", indexes={BY_JOB: _job_of})
    cache.watch(NODES, transform=strip_unused_fields)

    reconciler = RequestReconciler(cache, manager.client, manager.recorder("dgdr-controller"), settings, graphs)
    controller = (
        Controller(cache, reconciler, name="dgdr")
        .for_(REQUESTS)
        .owns(JOBS)
        .watches(CONFIG_MAPS, by_labels)
        .watches(graphs, by_labels)
        .watches(PODS, by_labels)
        .with_options(workers=workers, timeout=60.0)
    )
    manager.add(controller)
    return controller


def _job_of(stored: CachedObject) -> list[str]:
    uid = stored.meta.label(_JOB_LABEL)
    return [uid] if uid else []
