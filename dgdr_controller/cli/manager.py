"""``dgdr manager``: the controller itself."""

import asyncio
import os

import click

from dgdr_controller.admission.webhooks import serve_webhooks
from dgdr_controller.cli import tracing
from dgdr_controller.cli.settings import load_settings
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.reconciler.controller import add_controller
from dgdr_controller.reconciler.served_version import VersionChangedError, follow_served_version, served_graphs
from dgdr_controller.runtime import Config, ConfigError, LeaderElection, Manager, NotLeaderError, NotSyncedError
from dgdr_controller.runtime.log import configure
from dgdr_controller.settings import Settings


class UnusableConfigError(click.ClickException):
    """The API server cannot be addressed with what the environment offers."""

    exit_code = ExitCode.REQUEST_WRONG


class ManagerEndedError(click.ClickException):
    """The controller cannot go on, and can when it is started again."""

    exit_code = ExitCode.INTERRUPTED


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
    tracing.configure()
    settings = load_settings()
    if kubeconfig:
        os.environ["KUBECONFIG"] = kubeconfig
    try:
        config = Config.load(context)
    except ConfigError as error:
        raise UnusableConfigError(str(error)) from error
    namespace = leader_election_namespace or os.environ.get("POD_NAMESPACE", "default")
    controller_manager = Manager(
        config,
        leader_election=LeaderElection("dgdr-controller", namespace=namespace) if leader_election else None,
        metrics_address=metrics_address,
        metrics_secure=metrics_secure,
        health_address=health_address,
    )
    try:
        asyncio.run(_run(controller_manager, settings, workers, os.environ.get("POD_NAMESPACE", "dgdr-system")))
    except (NotLeaderError, NotSyncedError, VersionChangedError) as error:
        raise ManagerEndedError(str(error)) from error


async def _run(manager: Manager, settings: Settings, workers: int, namespace: str) -> None:
    if settings.webhook.address:
        serve_webhooks(manager, settings.webhook, settings.hardware, namespace)
    graphs = await served_graphs(manager.client)
    add_controller(manager, settings, workers, graphs)
    manager.add(lambda: follow_served_version(manager, graphs))
    await manager.run()
