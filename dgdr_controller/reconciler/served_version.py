"""The version of DynamoGraphDeployments that the cluster serves: found out once, as a watch is of one version."""

import asyncio

from dgdr_controller.kinds import GRAPHS, GRAPHS_V1ALPHA1, Graph
from dgdr_controller.runtime import Client, Manager, RequestError, Resource
from dgdr_controller.runtime.log import get_logger

_LOOK_AGAIN_S = 30.0

log = get_logger(__name__)


class VersionChangedError(Exception):
    """Dynamo was installed after this program was started, in a version that it does not watch: start it again."""


async def follow_served_version(manager: Manager, graphs: Resource[Graph]) -> None:
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
