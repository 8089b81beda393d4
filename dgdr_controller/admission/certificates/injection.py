"""Tells the API server which CAs to trust when it calls us: ``caBundle`` in webhook configurations and in the CRD.

Only entries that name our Service are written, in the state in which they were seen. An object is looked at whenever
it changes: where somebody applies a configuration without the bundle, it is mended within a second.
"""

import asyncio
import base64
import contextvars
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dgdr_controller.kinds import REQUESTS
from dgdr_controller.runtime import (
    Cache,
    CachedObject,
    Change,
    Client,
    ConflictError,
    ForbiddenError,
    Key,
    NotFoundError,
    NotSyncedError,
    RequestError,
    Resource,
    decode_dict,
)
from dgdr_controller.runtime.log import get_logger

log = get_logger(__name__)
_LIST_S = 5.0
"""How long the first look may take; what is not known by then gets the bundle later."""
_AGAIN_S = 5.0

_REGISTRATION = "admissionregistration.k8s.io"
MUTATING = Resource(
    _REGISTRATION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", decode_dict, namespaced=False
)
VALIDATING = Resource(
    _REGISTRATION,
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    decode_dict,
    namespaced=False,
)
DEFINITIONS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", decode_dict, namespaced=False
)


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the bundle is written.

    Attributes:
        service: Namespace and name of our Service: only entries that name it are ours.
        mutating: Name of the MutatingWebhookConfiguration; empty: there is none.
        validating: Name of the ValidatingWebhookConfiguration; empty: there is none.
        definition: Name of the CustomResourceDefinition whose versions we convert; empty: there is none.
    """

    service: Key
    mutating: str = ""
    validating: str = ""
    definition: str = str(REQUESTS)


@dataclass(frozen=True, slots=True)
class Injectable:
    """An object that the bundle is written into.

    Attributes:
        resource: Its kind.
        name: Its name.
        part: Says what to change in it.
    """

    resource: Resource[dict[str, Any]]
    name: str
    part: "Part"

    def __str__(self) -> str:
        return f"{self.resource.kind} {self.name}"


Part = Callable[[dict[str, Any], Key, str], dict[str, Any] | None]
"""Returns the part of an object that has our entries, with the bundle in them; None: it has no entry of ours."""
Seen = Mapping[Injectable, CachedObject | None]
"""The objects as they were at some time; None: there was none."""


class Injection:
    """Keeps the bundle in the entries that are ours.

    Args:
        client: Watches and writes, also while this process does not lead.
        targets: Where.

    Attributes:
        changed: Is set when one of the objects has changed.
        behind: Whether something could not be written the last time, and is to be tried again.
        mended: Whether something was written the last time that had been written before and was undone.
    """

    def __init__(self, client: Client, targets: Targets) -> None:
        self.changed = asyncio.Event()
        self.behind = False
        self.mended = False
        self._client = client
        self._service = targets.service
        self._cache = Cache(client)
        injectables = (
            Injectable(MUTATING, targets.mutating, _webhooks),
            Injectable(VALIDATING, targets.validating, _webhooks),
            Injectable(DEFINITIONS, targets.definition, _conversion),
        )
        self._informers = {
            injectable: self._cache.watch(
                injectable.resource, field_selector=f"metadata.name={injectable.name}", transform=_without_the_rest
            )
            for injectable in injectables
            if injectable.name
        }
        self._written: dict[Injectable, str] = {}
        self._said: dict[Injectable, str] = {}
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Watch; return when it is known what exists, or that it will take longer."""
        for informer in self._informers.values():
            informer.subscribe(self._on_change)
        self._watching = asyncio.create_task(self._watch(), name="CA bundles", context=contextvars.Context())
        try:
            await self._cache.wait_synced(_LIST_S)
        except NotSyncedError as error:
            log.warning("Cannot inject the CA bundle yet; RBAC must grant list, watch and patch", error=error)

    async def stop(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))

    def look(self) -> Seen:
        """Return what is known to exist now.

        To be called before the bundle is read that is then injected: where another replica writes a newer one
        meanwhile, an older one must not follow it.
        """
        return {
            injectable: informer.get(Key("", injectable.name))
            for injectable, informer in self._informers.items()
            if informer.synced
        }

    async def inject(self, seen: Seen, bundle: bytes) -> None:
        """Write the bundle where it differs; what fails is logged, and tried again by who calls this again.

        Args:
            seen: The objects as they were before the bundle was read.
            bundle: The CAs to trust, as PEM.
        """
        self.behind = self.mended = False
        text = base64.b64encode(bundle).decode()
        for injectable, stored in seen.items():
            if stored is None:
                self._say(injectable, logging.INFO, "does not exist; the CA bundle is injected once it does")
            else:
                await self._inject(injectable, stored, text)

    async def _inject(self, injectable: Injectable, stored: CachedObject, bundle: str) -> None:
        found = decode_dict(stored.raw)
        part = injectable.part(found, self._service, bundle)
        if part is None:
            self._say(
                injectable, logging.WARNING, f"does not refer to Service {self._service}; no CA bundle is injected"
            )
            return
        if found | part == found:
            self._say(injectable, logging.INFO, "has the CA bundle")
            return
        change = {"metadata": {"resourceVersion": stored.meta.resource_version}} | part
        try:
            await self._client.patch(injectable.resource, Key("", injectable.name), change)
        except (ConflictError, NotFoundError):  # the watch tells how it is now
            self.behind = True
        except ForbiddenError as error:
            self.behind = True
            self._say(injectable, logging.ERROR, f"cannot inject the CA bundle: RBAC must grant patch ({error})")
        except RequestError as error:
            self.behind = True
            self._say(injectable, logging.WARNING, f"cannot inject the CA bundle: {error}")
        else:
            self.mended |= self._written.get(injectable) == bundle
            self._written[injectable] = bundle
            log.info("Injected the CA bundle", object=str(injectable))

    def _say(self, injectable: Injectable, level: int, sentence: str) -> None:
        """Log how a place is, unless it was so before."""
        if self._said.get(injectable) != sentence:
            self._said[injectable] = sentence
            log.log(level, sentence, object=str(injectable))

    def _on_change(self, _: Change) -> None:
        self.changed.set()

    async def _watch(self) -> None:
        while True:
            try:
                await self._cache.run()
            except Exception:  # nobody else would start it again, for as long as this process serves
                log.exception("The watch for the CA bundle has failed; it is started again")
            await asyncio.sleep(_AGAIN_S)


def _webhooks(configuration: dict[str, Any], service: Key, bundle: str) -> dict[str, Any] | None:
    """Return all webhooks of a configuration: a merge patch replaces the list as a whole."""
    webhooks = configuration.get("webhooks") or []
    if not any(_is_ours(webhook["clientConfig"], service) for webhook in webhooks):
        return None
    return {
        "webhooks": [
            webhook | {"clientConfig": webhook["clientConfig"] | {"caBundle": bundle}}
            if _is_ours(webhook["clientConfig"], service)
            else webhook
            for webhook in webhooks
        ]
    }


def _conversion(definition: dict[str, Any], service: Key, bundle: str) -> dict[str, Any] | None:
    conversion = definition["spec"].get("conversion") or {}
    webhook = conversion.get("webhook") or {}
    reached = webhook.get("clientConfig") or {}
    if not _is_ours(reached, service):
        return None
    trusting = conversion | {"webhook": webhook | {"clientConfig": reached | {"caBundle": bundle}}}
    return {"spec": {"conversion": trusting}}


def _is_ours(client: Mapping[str, Any], service: Key) -> bool:
    named = client.get("service") or {}
    return (named.get("namespace"), named.get("name")) == tuple(service)


def _without_the_rest(found: dict[str, Any]) -> dict[str, Any]:
    """Keep what is read here: of a CRD, whose schemas are 200 KB, only how it is converted."""
    if "webhooks" in found:
        return {"webhooks": found["webhooks"]}
    conversion = (found.get("spec") or {}).get("conversion")
    return {"spec": {"conversion": conversion} if conversion else {}}
