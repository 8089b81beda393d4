"""A webhook of the cluster that never answers: Jobs cannot be created, and the request says why."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dgdr_controller.runtime import ApiError, Config, Key, Resource
from hack.cluster.local import Local
from test.builders.lifecycle import JOBS, Stage, controlling, staged

pytestmark = [pytest.mark.cluster, pytest.mark.alone("chaos")]

WEBHOOKS: Resource[Any] = Resource(
    *("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
    json.loads,
    namespaced=False,
)
NAME = "silent.example.com"
NOTICED_S = 10.0
WAITS_S = 4.0
MOST_STATUS_WRITES = 6
PROBE = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}}


def webhook(namespace: str, port: int) -> dict[str, Any]:
    jobs = {"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}
    silent = {
        "name": NAME,
        "clientConfig": {"url": f"https://127.0.0.1:{port}/"},
        "rules": [jobs],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 1,
    }
    return {"metadata": {"name": namespace}, "webhooks": [silent]}


@contextlib.asynccontextmanager
async def silent_webhook(stage: Stage) -> AsyncIterator[None]:
    """Have creations of Jobs in a namespace asked of somebody who takes connections and says nothing."""

    connections: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with contextlib.suppress(OSError):
            while await reader.read(1024):
                pass

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await stage.client.create(WEBHOOKS, webhook(stage.namespace, port))

    async def is_asked() -> bool:
        try:
            manifest = PROBE | {"metadata": {"name": "probe", "namespace": stage.namespace}}
            await stage.client.create(JOBS, manifest, dry_run=True)
        except ApiError as error:
            return NAME in error.message
        return False

    try:
        await stage.until(is_asked, NOTICED_S)
        yield
    finally:
        await stage.client.delete(WEBHOOKS, Key("", stage.namespace))
        server.close()
        for writer in connections:
            writer.close()
            await writer.wait_closed()


def test_request_says_that_a_webhook_does_not_answer_and_goes_on_when_it_is_gone(dynamo: Local) -> None:
    async def run() -> None:
        config = Config.from_kubeconfig(dynamo.kubeconfig)
        async with staged(config) as stage, controlling(config) as stage.killer:
            async with silent_webhook(stage):
                await stage.request()
                message = await stage.says("Profiling", "WaitingForApi", NOTICED_S)
                assert NAME in message
                assert "Job profile-qwen" in message
                await asyncio.sleep(WAITS_S)
                assert (await stage.status())["phase"] == "Pending"
                assert not stage.uids["Job"]
                statuses = [write for write in stage.writes if write.endswith("/status")]
                assert len(statuses) <= MOST_STATUS_WRITES
            await stage.reaches("Deployed")
            assert {kind: len(uids) for kind, uids in stage.uids.items()} == {"Job": 1, "DynamoGraphDeployment": 1}

    asyncio.run(run())
