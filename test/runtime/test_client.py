import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from dgdr_controller.runtime import (
    AlreadyExistsError,
    Client,
    Config,
    ConfigError,
    ConflictError,
    InvalidError,
    Key,
    NotFoundError,
    NotLeaderError,
    Resource,
    TooManyRequestsError,
    UnavailableError,
    UnreachableError,
)
from dgdr_controller.runtime.config import TokenFile
from dgdr_controller.runtime.errors import api_error
from dgdr_controller.runtime.testing import FakeApiServer, Fault, virtual_time
from dgdr_controller.runtime.transport import Transport

Widgets = Resource[dict[str, Any]]
KEY = Key("ns", "a")


def any_request(_: web.Request) -> bool:
    return True


def widget(name: str = "a") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": {"size": 1}}


@virtual_time
async def test_each_refusal_has_its_error(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets, status=True)
        client = Client(server.config)
        with pytest.raises(NotFoundError, match=r'"a" not found \(HTTP 404\)'):
            await client.get(widgets, KEY)
        made = await client.create(widgets, widget())
        with pytest.raises(AlreadyExistsError):
            await client.create(widgets, widget())
        old = made["metadata"]["resourceVersion"]
        await client.patch(widgets, KEY, {"spec": {"size": 2}})
        with pytest.raises(ConflictError):
            await client.patch_status(widgets, KEY, {"phase": "Done"}, resource_version=old)
        with pytest.raises(ConflictError):
            await client.delete(widgets, KEY, uid="somebody-elses")
        with pytest.raises(ValueError, match="which namespace"):
            await client.create(widgets, {"metadata": {"name": "a"}})
        await client.close()


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../other/widgets/a", "%2e%2e", "a%2fb"])
@virtual_time
async def test_name_that_would_lead_to_another_path_is_not_asked_for(widgets: Widgets, name: str) -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(widgets)
        for key in (Key("ns", name), Key(name, "a")):
            with pytest.raises(ValueError, match="cannot be a name"):
                await client.get(widgets, key)
        assert server.requests == []


@virtual_time
async def test_metadata_can_be_had_alone(widgets: Widgets) -> None:
    async with FakeApiServer() as server, Client(server.config) as client:
        server.serve(widgets)
        server.put(widgets, widget())
        found = await client.get(widgets, KEY, metadata_only=True)
        assert (found["kind"], found["metadata"]["name"]) == ("PartialObjectMetadata", "a")
        assert "spec" not in found
        assert (await client.get(widgets, KEY))["spec"] == {"size": 1}


@virtual_time
async def test_status_is_merged_or_replaced_in_the_state_that_was_read(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets, status=True)
        client = Client(server.config)
        made = await client.create(widgets, widget())
        made = await client.patch_status(
            widgets, KEY, {"a": 1, "b": 2}, resource_version=made["metadata"]["resourceVersion"]
        )
        made = await client.patch_status(
            widgets, KEY, {"a": None, "c": 3}, resource_version=made["metadata"]["resourceVersion"]
        )
        assert made["status"] == {"b": 2, "c": 3}
        made = await client.replace_status(widgets, KEY, {"d": 4}, resource_version=made["metadata"]["resourceVersion"])
        assert made["status"] == {"d": 4}
        assert made["metadata"]["generation"] == 1
        await client.close()


@virtual_time
async def test_server_is_given_the_time_that_it_asks_for(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        client, loop = Client(server.config), asyncio.get_running_loop()
        server.faults.append(Fault(any_request, 429, times=2, headers={"Retry-After": "7"}))
        begun = loop.time()
        await client.create(widgets, widget())  # 429 means: not carried out
        assert 14 <= loop.time() - begun < 15
        server.faults.append(Fault(any_request, 429, times=100, headers={"Retry-After": "1"}))
        with pytest.raises(TooManyRequestsError) as refused:
            await client.get(widgets, KEY)
        assert refused.value.retry_after == 1
        await client.close()


@virtual_time
async def test_requests_are_repeated_where_they_may_be_carried_out_twice(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        client = Client(server.config)
        server.faults.append(Fault(any_request, 503, times=1))
        with pytest.raises(UnavailableError):
            await client.create(widgets, widget())
        assert len(server.requests) == 1
        server.faults.append(Fault(any_request, 503, times=2))
        await client.apply(widgets, widget())
        server.faults.append(Fault(any_request, cut=True, times=2))
        await client.get(widgets, KEY)
        server.faults.append(Fault(any_request, cut=True, late=True))
        with pytest.raises(UnreachableError):
            await client.create(widgets, widget("b"))
        assert server.object(widgets, Key("ns", "b"))
        await client.close()


@virtual_time
async def test_server_that_does_not_answer_is_not_waited_for_for_ever(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        client, loop = Client(Transport(server.config, timeout=3, attempts=2)), asyncio.get_running_loop()
        server.faults.append(Fault(any_request, hang=1000, times=2))
        begun = loop.time()
        with pytest.raises(UnreachableError):
            await client.get(widgets, KEY)
        assert loop.time() - begun < 8
        await client.close()


@virtual_time
async def test_refused_connection_is_no_answer() -> None:
    client = Client(Transport(Config("http://127.0.0.1:9"), attempts=1))
    with pytest.raises(UnreachableError) as refused:
        await client.get_raw("/version")
    assert not refused.value.sent
    await client.close()


@virtual_time
async def test_write_without_the_lease_is_not_sent(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)

        def closed() -> float:
            raise NotLeaderError("no")

        client = Client(Transport(server.config, fence=closed))
        with pytest.raises(NotLeaderError):
            await client.create(widgets, widget())
        assert await client.list(widgets) == ()
        assert server.writes == []
        await client.close()


@virtual_time
async def test_list_comes_in_pages(widgets: Widgets) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        for number in range(1201):
            server.put(widgets, widget(f"w{number}"))
        client = Client(server.config)
        assert len(await client.list(widgets, "ns")) == 1201
        assert len(server.requests) == 3
        await client.close()


def test_causes_of_a_refusal_name_fields() -> None:
    error = api_error(
        422, b'{"reason":"Invalid","message":"no","details":{"causes":[{"reason":"R","field":"spec.a","message":"m"}]}}'
    )
    assert isinstance(error, InvalidError)
    assert error.details.causes is not None
    assert error.details.causes[0].field == "spec.a"
    assert str(api_error(502, b"<html>bad gateway</html>")) == "<html>bad gateway</html> (HTTP 502)"


def test_token_is_read_again_after_a_minute_and_after_a_refusal(tmp_path: Path) -> None:
    now, path = [0.0], tmp_path / "token"
    path.write_text("one\n")
    token = TokenFile(path, lambda: now[0])
    assert token.read() == "one"
    path.write_text("two")
    assert token.read() == "one"
    token.expire()
    assert token.read() == "two"
    path.write_text("three")
    now[0] = 61
    assert token.read() == "three"
    path.unlink()
    now[0] = 130
    assert token.read() == "three"
    with pytest.raises(ConfigError, match="token"):
        TokenFile(path).read()


@virtual_time
async def test_token_that_was_rotated_is_taken_up(widgets: Widgets, tmp_path: Path) -> None:
    async with FakeApiServer() as server:
        server.serve(widgets)
        path = tmp_path / "token"
        path.write_text("old")
        client = Client(Config(server.config.server, token=TokenFile(path)))
        await client.list(widgets)
        path.write_text("new")
        server.faults.append(Fault(lambda request: request.headers["Authorization"] != "Bearer new", 401, times=100))
        await client.create(widgets, widget())
        await client.close()


def kubeconfig(tmp_path: Path, user: dict[str, Any], **cluster: Any) -> Path:
    path = tmp_path / "kubeconfig"
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "mine"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://example.com:6443/"} | cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_kubeconfig_says_where_and_who(tmp_path: Path) -> None:
    config = Config.from_kubeconfig(kubeconfig(tmp_path, {"token": "secret"}))
    assert (config.server, config.namespace) == ("https://example.com:6443", "mine")
    assert config.authorization() == "Bearer secret"
    assert config.tls is not None
    assert config.tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        ({"exec": {"command": "aws"}}, {}, "logs in with exec"),
        ({"auth-provider": {}}, {}, "logs in with auth-provider"),
        ({"client-certificate": "missing.crt", "client-key": "missing.key"}, {}, "certificates of c or u"),
        ({}, {"certificate-authority-data": "bm9uZQ=="}, "certificates of c or u"),
    ],
)
def test_kubeconfig_that_cannot_be_used_says_why(
    tmp_path: Path, user: dict[str, Any], cluster: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        Config.from_kubeconfig(kubeconfig(tmp_path, user, **cluster))


def test_missing_configuration_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="nothing is named there"):
        Config.from_kubeconfig(kubeconfig(tmp_path, {}), "there")
    with pytest.raises(ConfigError, match="No such file"):
        Config.from_kubeconfig(tmp_path / "none")
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="set KUBECONFIG"):
        Config.load()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(ConfigError, match="token"):
        Config.in_cluster(tmp_path)
