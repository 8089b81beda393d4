"""An API server that dies when it has carried a write out and before it has answered."""

import asyncio

import pytest

from dgdr_controller.runtime import Config
from hack.cluster.local import Local
from test.builders.chaos.dynamo import control_plane_with_dynamo
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.request_faults import Call
from test.builders.lifecycle import controlling, staged

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.chaos,
    pytest.mark.alone("chaos"),
    # a TLS connection to a server that was killed waits half a minute for the goodbye of the other side
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

DOWN_S = 2.0
WRITES = {
    "job": "/jobs",
    "deployment": "/dynamographdeployments",
    "status": "/dynamographdeploymentrequests/qwen/status",
}


class Killer:
    """Kills the API server once, after a write whose path ends in some way."""

    def __init__(self, own: Local, ending: str) -> None:
        self.own, self.ending, self.killed = own, ending, False

    async def after(self, call: Call, status: int) -> bool:
        """Kill it; the answer is lost then."""
        if self.killed or call.dry_run or not call.path.endswith(self.ending) or status >= 300:
            return False
        self.killed = True
        await asyncio.to_thread(self.own.hold, "kube-apiserver")
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(self.own.release, "kube-apiserver")
        return True


async def survive(own: Local, ending: str) -> None:
    config, killer = Config.from_kubeconfig(own.kubeconfig), Killer(own, ending)
    async with Proxy(config, after=killer.after) as proxy, staged(config) as stage:
        await stage.request()
        async with controlling(proxy.config):
            await stage.reaches("Deployed")
    assert killer.killed
    assert {kind: len(uids) for kind, uids in stage.uids.items()} == {"Job": 1, "DynamoGraphDeployment": 1}


def test_every_write_may_be_the_api_servers_last() -> None:
    with control_plane_with_dynamo("test-chaos-restarts") as own:
        for ending in WRITES.values():
            asyncio.run(survive(own, ending))
