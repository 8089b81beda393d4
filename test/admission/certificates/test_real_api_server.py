"""A real API server admits and converts through us while certificates and CA rotate, with the rights of an install."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from aiohttp import web

from dgdr_controller.admission.certificates import Lifetimes, SelfManaged, ServingCertificates, Targets
from dgdr_controller.admission.certificates.injection import DEFINITIONS, VALIDATING
from dgdr_controller.admission.certificates.rotation import renewed
from dgdr_controller.runtime import ApiError, Client, Config, Key, Resource, decode_dict
from dgdr_controller.runtime.testing import real_time, until
from dgdr_controller.runtime.transport import Request
from hack.cluster.model import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.alone("runtime")]

Objects = Resource[dict[str, Any]]
SECRETS: Objects = Resource("", "v1", "secrets", "Secret", decode_dict)
SERVICES: Objects = Resource("", "v1", "services", "Service", decode_dict)
ACCOUNTS: Objects = Resource("", "v1", "serviceaccounts", "ServiceAccount", decode_dict)
CONFIG_MAPS: Objects = Resource("", "v1", "configmaps", "ConfigMap", decode_dict)
RBAC = "rbac.authorization.k8s.io"
ROLES: Objects = Resource(RBAC, "v1", "clusterroles", "ClusterRole", decode_dict, namespaced=False)
BINDINGS: Objects = Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", decode_dict, namespaced=False)

SECOND = timedelta(seconds=1)
LIFETIMES = Lifetimes(21 * SECOND, 21 * SECOND, 2 * SECOND, 2 * SECOND)


class Server:
    """Admits everything, and converts by changing the version; each call is a connection of its own."""

    def __init__(self) -> None:
        self.called = {"/validate": 0, "/convert": 0}

    @asynccontextmanager
    async def listening(self, context: ssl.SSLContext) -> AsyncIterator[int]:
        app = web.Application()
        app.add_routes([web.post("/validate", self.validate), web.post("/convert", self.convert)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "localhost", 0, ssl_context=context).start()
        try:
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def validate(self, request: web.Request) -> web.Response:
        review = await request.json()
        return self.answer(request, review, {"allowed": True})

    async def convert(self, request: web.Request) -> web.Response:
        review = await request.json()
        version = review["request"]["desiredAPIVersion"]
        converted = [manifest | {"apiVersion": version} for manifest in review["request"]["objects"]]
        return self.answer(request, review, {"convertedObjects": converted, "result": {"status": "Success"}})

    def answer(self, request: web.Request, review: dict[str, Any], response: dict[str, Any]) -> web.Response:
        self.called[request.path] += 1
        head = {name: review[name] for name in ("apiVersion", "kind")}
        answer = web.json_response(head | {"response": {"uid": review["request"]["uid"]} | response})
        answer.force_close()
        return answer


class Installation:
    """What an administrator applies, in a namespace and under names of the test's own."""

    def __init__(self, namespace: str, admin: Client) -> None:
        self.namespace, self.admin = namespace, admin
        self.widgets: Objects = Resource(f"{namespace}.example.com", "v2", "widgets", "Widget", decode_dict)
        self.targets = Targets(Key(namespace, "webhook"), validating=namespace, definition=str(self.widgets))
        self.secret = Key(namespace, "certificates")

    async def account(self, control_plane: Cluster) -> Config:
        """Make an account with just the rights that are needed; return its access."""
        named = {
            "secrets": ("", self.secret.name, ["get", "patch"]),
            VALIDATING.plural: (VALIDATING.group, self.namespace, ["list", "watch", "patch"]),
            DEFINITIONS.plural: (DEFINITIONS.group, self.targets.definition, ["list", "watch", "patch"]),
        }
        rules = [
            {"apiGroups": [group], "resources": [plural], "resourceNames": [name], "verbs": verbs}
            for plural, (group, name, verbs) in named.items()
        ]
        metadata, account = {"name": self.namespace}, {"namespace": self.namespace, "name": "controller"}
        await self.admin.apply(ACCOUNTS, {"metadata": account})
        await self.admin.apply(ROLES, {"metadata": metadata, "rules": rules})
        role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": self.namespace}
        bound = {"metadata": metadata, "roleRef": role, "subjects": [account | {"kind": "ServiceAccount"}]}
        await self.admin.apply(BINDINGS, bound)
        body = b'{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}'
        path = ACCOUNTS.path(self.namespace, "controller", "token")
        answer = decode_dict(await self.admin.transport.send(Request("POST", path, {}, body)))
        given = yaml.safe_load(control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
        trusted = base64.b64decode(given["certificate-authority-data"]).decode()
        tls = ssl.create_default_context(cadata=trusted)
        return Config(self.admin.transport.config.server, tls, answer["status"]["token"])

    async def fill(self) -> None:
        """Make the Secret, with certificates in which all is due in three or four seconds."""
        name = f"webhook.{self.namespace}.svc"
        held = renewed(None, [name, f"{name}.cluster.local"], datetime.now(UTC) - 9 * SECOND, LIFETIMES)
        values = (held.certificate, held.key, held.bundle, held.authority_key)
        names = ("tls.crt", "tls.key", "ca.crt", "ca.key")
        data = {name: base64.b64encode(value).decode() for name, value in zip(names, values, strict=True)}
        await self.admin.apply(SECRETS, {"metadata": self.secret._asdict(), "data": data})

    async def configure(self, port: int) -> None:
        """Have the API server call us on this machine: it looks up where a Service of this type leads itself."""
        service = {"type": "ExternalName", "externalName": "localhost"}
        await self.admin.apply(SERVICES, {"metadata": self.targets.service._asdict(), "spec": service})
        reached = {"namespace": self.namespace, "name": "webhook", "port": port}
        webhook = {
            "name": "validate.example.com",
            "clientConfig": {"service": reached | {"path": "/validate"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "rules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
            ],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
        }
        await self.admin.apply(VALIDATING, {"metadata": {"name": self.namespace}, "webhooks": [webhook]})
        conversion = {"clientConfig": {"service": reached | {"path": "/convert"}}, "conversionReviewVersions": ["v1"]}
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        spec = {
            "group": self.widgets.group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "conversion": {"strategy": "Webhook", "webhook": conversion},
            "versions": [
                {"name": version, "served": True, "storage": version == "v1", "schema": schema}
                for version in ("v1", "v2")
            ],
        }
        await self.admin.apply(DEFINITIONS, {"metadata": {"name": self.targets.definition}, "spec": spec})

    async def admits(self) -> bool:
        """Say whether the API server's call to the validating webhook works."""
        tried = {"metadata": {"namespace": self.namespace, "name": "tried"}}
        try:
            await self.admin.create(CONFIG_MAPS, tried, dry_run=True)
        except ApiError:
            return False
        return True

    async def converts(self) -> bool:
        """Say whether it works to write an object as another version than it is stored as, and to read it so."""
        try:
            await self.admin.apply(self.widgets, {"metadata": {"namespace": self.namespace, "name": "a"}})
            return bool(await self.admin.list(self.widgets, self.namespace))
        except ApiError:
            return False

    async def remove(self) -> None:
        for resource, name in (
            (VALIDATING, self.namespace),
            (DEFINITIONS, self.targets.definition),
            (ROLES, self.namespace),
            (BINDINGS, self.namespace),
        ):
            await self.admin.delete(resource, Key("", name))


@real_time
async def test_api_server_calls_webhooks_while_everything_rotates(control_plane: Cluster, namespace: str) -> None:
    server = Server()
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Client(Config.from_kubeconfig(control_plane.kubeconfig)))
        it = Installation(namespace, admin)
        config = await it.account(control_plane)
        await it.fill()
        certificates = ServingCertificates(
            SelfManaged(config, secret=it.secret, targets=it.targets, lifetimes=LIFETIMES)
        )
        await certificates.start()
        stack.push_async_callback(certificates.stop)
        port = await stack.enter_async_context(server.listening(certificates.context))
        stack.push_async_callback(it.remove)
        before = await secret(it)
        await it.configure(port)
        await until(it.admits, 5)
        await until(it.converts, 5)
        worked: list[bool] = []

        async def go_on() -> None:
            while True:
                worked.append(await it.admits())
                worked.append(await it.converts())
                await asyncio.sleep(0.01)

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            tasks = [group.create_task(go_on()) for _ in range(2)]

            async def only_the_new_ca_is_left() -> bool:
                return before not in await secret(it)

            await until(only_the_new_ca_is_left, 20)
            await asyncio.sleep(1)
            for task in tasks:
                task.cancel()
        assert all(worked)
        assert len(worked) > 50
        assert min(server.called.values()) > 20


async def secret(it: Installation) -> bytes:
    return base64.b64decode((await it.admin.get(SECRETS, it.secret))["data"]["ca.crt"])
