"""The whole controller of requests against a scripted API server, and a request to put there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from dgdr_controller.kinds import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    GRAPHS,
    JOBS,
    NETWORK_POLICIES,
    NODES,
    PODS,
    REQUESTS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from dgdr_controller.reconciler.controller import add_controller
from dgdr_controller.runtime import Key, Manager, Resource
from dgdr_controller.runtime.events import EVENTS
from dgdr_controller.runtime.testing import FakeApiServer
from dgdr_controller.settings import Settings

KINDS: tuple[Resource[Any], ...] = (
    *(CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, EVENTS),
    *(DEPLOYMENTS, NETWORK_POLICIES, SERVICES),
)
WITH_STATUS: tuple[Resource[Any], ...] = (REQUESTS, GRAPHS, JOBS, PODS, NODES)
QWEN, JOB, MAP = Key("team", "qwen"), Key("team", "profile-qwen"), Key("team", "dgdr-output-qwen")
REQUEST: dict[str, Any] = {
    "apiVersion": "nvidia.com/v1beta1",
    "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "qwen", "namespace": "team"},
    "spec": {"model": "Qwen/Qwen3-32B", "backend": "vllm", "hardware": {"gpuSku": "h200_sxm", "totalGpus": 8}},
}


def serve(server: FakeApiServer, *resources: Resource[Any]) -> None:
    for resource in resources:
        server.serve(resource, status=resource in WITH_STATUS)


@contextlib.asynccontextmanager
async def controlled(server: FakeApiServer) -> AsyncIterator[Manager]:
    serve(server, *KINDS, *WITH_STATUS)
    async with running(server, Settings()) as manager:
        yield manager


@contextlib.asynccontextmanager
async def running(server: FakeApiServer, settings: Settings) -> AsyncIterator[Manager]:
    manager = Manager(server.config, graceful_timeout=1.0)
    add_controller(manager, settings, workers=2)
    runs = asyncio.create_task(manager.run())
    await asyncio.sleep(0.5)
    try:
        yield manager
    finally:
        manager.stop()
        await runs


def status(server: FakeApiServer) -> dict[str, Any]:
    return dict(server.object(REQUESTS, QWEN).get("status", {}))


def inputs_of(server: FakeApiServer, resource: Resource[Any], key: Key) -> str:
    return str(server.object(resource, key)["metadata"]["annotations"]["dgdr.nvidia.com/inputs"])
