"""Trials whose request is gone, and that were orphaned, hold no GPUs for ever."""

import asyncio

from dgdr_api.names import LABEL_NAME, LABEL_NAMESPACE, LABEL_TRIAL
from dgdr_controller.kinds import GRAPHS, REQUESTS
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time
from dgdr_controller.settings import RightsSettings, Settings
from test.builders.request_controller import KINDS, REQUEST, WITH_STATUS, running, serve

LIMIT_S = 5.0


def graph(name: str, request: str, **labels: str) -> dict[str, object]:
    named = {LABEL_NAME: request, LABEL_NAMESPACE: "team"} | labels
    return {"metadata": {"name": name, "namespace": "team", "labels": named}}


@virtual_time
async def test_orphaned_trial_is_deleted_and_nothing_else() -> None:
    async with FakeApiServer() as server:
        serve(server, *KINDS, *WITH_STATUS)
        server.put(REQUESTS, REQUEST | {"metadata": {"name": "here", "namespace": "team"}})
        server.put(GRAPHS, graph("orphan-trial", "gone", **{LABEL_TRIAL: "vllm-agg-1"}))
        server.put(GRAPHS, graph("gone-dgd", "gone"))
        async with running(server, Settings(rights=RightsSettings(mode="enforce"))):
            await asyncio.sleep(LIMIT_S)
            names = {found["metadata"]["name"] for found in server.objects(GRAPHS)}
    assert names == {"gone-dgd"}
