"""Metrics of a manager, read by ServiceAccounts of a real API server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import aiohttp
import pytest

from dgdr_controller.runtime import Config, Manager
from dgdr_controller.runtime.metrics_auth import MetricsAuthorizer
from dgdr_controller.runtime.testing import FakeApiServer, real_time, until, virtual_time
from hack.cluster.api import Client
from hack.cluster.model import Cluster

RBAC = "rbac.authorization.k8s.io"


def token(api: Client, namespace: str, name: str) -> str:
    """Create a ServiceAccount; return a token of it."""
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name}})
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    return str(api.request("POST", path, review)["status"]["token"])


@contextmanager
def allowed(api: Client, namespace: str, name: str) -> Iterator[None]:
    """Let a ServiceAccount read metrics for a while."""
    version, metadata = f"{RBAC}/v1", {"name": f"{namespace}-metrics"}
    rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    role = {"apiGroup": RBAC, "kind": "ClusterRole", **metadata}
    subjects = [{"kind": "ServiceAccount", "namespace": namespace, "name": name}]
    api.create({"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules})
    binding = {"apiVersion": version, "kind": "ClusterRoleBinding", "metadata": metadata}
    api.create(binding | {"roleRef": role, "subjects": subjects})
    try:
        yield
    finally:
        for kind in ("clusterrolebindings", "clusterroles"):
            api.request("DELETE", f"/apis/{version}/{kind}/{namespace}-metrics")


async def scrape(port: int, authorization: str = "") -> tuple[int, str]:
    headers = {"Authorization": authorization} if authorization else {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"https://localhost:{port}/metrics", headers=headers, ssl=False) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.cluster
@real_time
async def test_metrics_are_for_accounts_that_may_read_them(control_plane: Cluster, namespace: str) -> None:
    api = Client(control_plane.kubeconfig)
    reader, other = token(api, namespace, "reader"), token(api, namespace, "other")
    config = Config.from_kubeconfig(control_plane.kubeconfig)
    manager = Manager(config, metrics_address="localhost:0", health_address="127.0.0.1:0", metrics_secure=True)
    task = asyncio.ensure_future(manager.run())
    try:
        await until(lambda: "metrics" in manager.ports, 10)
        port = manager.ports["metrics"]
        with allowed(api, namespace, "reader"):
            status, body = await scrape(port, f"Bearer {reader}")
            assert (status, "workqueue_depth" in body) == (200, True)
            assert await scrape(port, f"Bearer {other}") == (403, "Forbidden\n")
        assert await scrape(port, f"Bearer {reader}x") == (401, "Unauthorized\n")
        assert await scrape(port) == (401, "Unauthorized\n")
        assert await scrape(port, f"Basic {reader}") == (401, "Unauthorized\n")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"http://localhost:{port}/metrics")
    finally:
        manager.stop()
        await task


@pytest.mark.cluster
@real_time
async def test_answers_of_the_api_server_hold_for_a_while(control_plane: Cluster, namespace: str) -> None:
    api = Client(control_plane.kubeconfig)
    now = [0.0]
    authorizer = MetricsAuthorizer(Config.from_kubeconfig(control_plane.kubeconfig), lambda: now[0])
    authorization = f"Bearer {token(api, namespace, 'reader')}"

    async def at(time: float) -> HTTPStatus:
        now[0] = time
        return await authorizer.judge(authorization, "/metrics")

    try:
        assert await at(0) is HTTPStatus.FORBIDDEN
        with allowed(api, namespace, "reader"):
            assert await at(9) is HTTPStatus.FORBIDDEN
            assert await at(11) is HTTPStatus.OK
        assert await at(70) is HTTPStatus.OK
        assert await at(72) is HTTPStatus.FORBIDDEN
    finally:
        await authorizer.close()


@virtual_time
async def test_no_answer_is_not_remembered() -> None:
    async with FakeApiServer() as server:  # which knows no such reviews
        authorizer = MetricsAuthorizer(server.config)
        for asked in (1, 2):
            assert await authorizer.judge("Bearer a", "/metrics") is HTTPStatus.SERVICE_UNAVAILABLE
            assert len(server.requests) == asked
        await authorizer.close()


@virtual_time
async def test_protected_metrics_need_an_address_of_their_own() -> None:
    async with FakeApiServer() as server:
        with pytest.raises(ValueError, match="an address of their own"):
            Manager(server.config, metrics_address=":8080", health_address=":8080", metrics_secure=True)
