"""``kubectl dgdr logs``: what the profiler writes."""

import asyncio

import click

from dgdr_api.job_spec import PROFILER
from dgdr_api.names import job_name
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import PODS, REQUESTS, Pod
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.describe import message_of
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.options import on_cluster, request_argument

_JOB = "batch.kubernetes.io/job-name"
_PAUSE_S = 1.0
_BEFORE = (None, Phase.PENDING, Phase.PROFILING)


@click.command()
@request_argument
@click.option("-f", "--follow", "follows", is_flag=True, help="Wait for the pod, and follow its log until it ends.")
@on_cluster
async def logs(cluster: Cluster, *, name: str, follows: bool) -> None:
    """Print the log of the profiler: of each pod of the profiling Job, the newest last."""
    pods = await _pods(cluster, name)
    while follows and not (pods and has_begun(pods[-1])):
        await _check(cluster, name)
        await asyncio.sleep(_PAUSE_S)
        pods = await _pods(cluster, name)
    if not pods:
        await _missing(cluster, name)
    for pod in pods:
        if len(pods) > 1:
            click.echo(f"==> {pod.metadata.name} <==", err=True)
        async for line in cluster.log(pod.metadata.name, PROFILER, follow=follows and pod is pods[-1]):
            click.echo(line)


def has_begun(pod: Pod) -> bool:
    """Say whether the profiler of a pod runs or has run."""
    states = (c.state for c in pod.status.container_statuses if c.name == PROFILER)
    return any(state.running or state.terminated for state in states)


async def _pods(cluster: Cluster, name: str) -> list[Pod]:
    """Return the pods of the profiling Job, the oldest one first."""
    pods = await cluster.list(PODS, {_JOB: job_name(name)})
    return sorted(pods, key=lambda pod: str(pod.metadata.creation_timestamp))


async def _check(cluster: Cluster, name: str) -> None:
    """End where no pod is to come.

    Raises:
        PluginError: The request is not to be profiled, or does not exist.
    """
    request = await cluster.get(REQUESTS, name)
    if (request.status.phase if request.status else None) not in _BEFORE:
        await _missing(cluster, name)


async def _missing(cluster: Cluster, name: str) -> None:
    """Say why there is no log.

    Raises:
        PluginError: Always.
    """
    request = await cluster.get(REQUESTS, name)
    phase = request.status.phase if request.status else None
    gone = (
        "it has not begun yet" if phase in _BEFORE else "Kubernetes deletes them some time after the search has ended"
    )
    raise PluginError(f"Job {job_name(name)} has no pods with a log ({gone}). {message_of(request)}")
