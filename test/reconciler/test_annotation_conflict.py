"""The generated deployment in the request's annotation, which somebody else changes meanwhile."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.names import ANNOTATION_GENERATED
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.manifest import load_documents
from dgdr_controller.reconciler.act import act
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.runtime import Client, ConflictError, EventRecorder, ObjectMeta
from dgdr_controller.runtime.testing.server import FakeApiServer
from test.builders.deployments import generated
from test.builders.request_controller import QWEN
from test.builders.results import results_of


def test_conflict_changes_nothing_and_the_next_pass_writes_annotation_and_status(
    profiling_state: ObservedState,
) -> None:
    spec = profiling_state.request.spec.model_copy(update={"auto_apply": False})
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    decision = replace(generated(observed, results_of()), ensure=())
    assert decision.status.phase is Phase.READY

    async def story() -> None:
        async with FakeApiServer() as server, Client(server.config) as client:
            server.serve(REQUESTS, status=True)
            request: dict[str, Any] = {"metadata": {"name": "qwen", "namespace": "team"}, "spec": {"model": "m"}}
            before = server.put(REQUESTS, request | {"status": {"phase": "Profiling"}})
            now = server.put(REQUESTS, before | {"metadata": before["metadata"] | {"annotations": {"a": "b"}}})

            async def write(version: str) -> None:
                meta = ObjectMeta(name="qwen", namespace="team", resource_version=version, uid=observed.uid)
                await act(client, EventRecorder(client, "test"), meta, observed, decision)

            with pytest.raises(ConflictError):
                await write(before["metadata"]["resourceVersion"])
            assert server.object(REQUESTS, QWEN) == now
            await write(now["metadata"]["resourceVersion"])
            written = server.object(REQUESTS, QWEN)
            assert written["metadata"]["annotations"] == {"a": "b", **decision.annotations}
            assert written["status"]["phase"] == "Ready"
            graph = written["status"]["profilingResults"]["selectedConfig"]
            assert (graph["apiVersion"], graph["kind"]) == ("nvidia.com/v1beta1", "DynamoGraphDeployment")
            assert load_documents(written["metadata"]["annotations"][ANNOTATION_GENERATED]) == [graph]
            assert [(method, path) for method, path, _ in server.requests if method == "GET"] == []

    asyncio.run(story())
