"""A ConfigMap that another request made, under the name that a deployment of this one is to mount."""

import asyncio
from dataclasses import replace

from dgdr_api.v1beta1 import Features, Phase
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, REQUESTS
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.runtime import Client, EventRecorder, Key, ObjectMeta
from dgdr_controller.runtime.testing.server import FakeApiServer
from test.builders.deployments import generated
from test.builders.request_controller import QWEN
from test.builders.results import results_of


def test_config_map_of_another_request_is_left_alone_and_waited_for(profiling_state: ObservedState) -> None:
    spec = profiling_state.request.spec.model_copy(update={"features": Features(planner=True)})
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    decision = generated(observed, results_of())
    wanted = next(ensure.manifest for ensure in decision.ensure if ensure.manifest["kind"] == "ConfigMap")
    name = wanted["metadata"]["name"]
    owner = wanted["metadata"]["ownerReferences"][0] | {"name": "other", "uid": "uid-of-another"}

    async def story() -> None:
        async with FakeApiServer() as server, Client(server.config) as client:
            for resource in (CONFIG_MAPS, GRAPHS):
                server.serve(resource)
            server.serve(REQUESTS, status=True)
            theirs = wanted | {"data": {"theirs": "yes"}, "metadata": wanted["metadata"] | {"ownerReferences": [owner]}}
            before = server.put(CONFIG_MAPS, theirs)
            stored = server.put(REQUESTS, {"metadata": {"name": "qwen", "namespace": "team"}, "spec": {"model": "m"}})
            version = stored["metadata"]["resourceVersion"]
            meta = ObjectMeta(name="qwen", namespace="team", resource_version=version, uid=observed.uid)
            await act(client, EventRecorder(client, "test"), meta, observed, decision)
            assert server.object(CONFIG_MAPS, Key("team", name)) == before
            status = server.object(REQUESTS, QWEN)["status"]
            assert status["phase"] == Phase.PROFILING
            (condition,) = (c for c in status["conditions"] if c["type"] == "DeploymentReady")
            assert condition["reason"] == "NameConflict"
            assert f"ConfigMap {name}: it exists and does not belong to this request" in condition["message"]

    asyncio.run(story())
