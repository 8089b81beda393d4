"""Tokens of ServiceAccounts, from the TokenRequest API, bound to their pod and renewed in time."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dgdr_controller.manifest import Manifest
from dgdr_controller.runtime import Client
from dgdr_controller.runtime.transport import Request
from hack.virtual_kubelet.kinds import SERVICE_ACCOUNTS

_RENEW = 0.8
"""Part of its life after which a token is renewed, as the kubelet does."""
_LIFE_S = 3600


@dataclass(frozen=True, slots=True)
class Token:
    """A token.

    Attributes:
        text: What is sent to the API server.
        renew_at: When another one should be asked for, on the clock of its `Tokens`.
    """

    text: str
    renew_at: float


def wanted(pod: Manifest) -> Iterator[Manifest]:
    """Yield the ``serviceAccountToken`` sources of a pod's volumes."""
    for volume in pod["spec"].get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            if "serviceAccountToken" in source:
                yield source["serviceAccountToken"]


class Tokens:
    """The tokens of one pod.

    Args:
        client: Asks for them, as the node.
        clock: Seconds that never go back.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, int], Token] = {}

    async def renew(self, pod: Manifest) -> None:
        """Ask for the tokens that are missing or should be renewed.

        Raises:
            RequestError: The API server does not answer, or refuses.
        """
        for source in wanted(pod):
            known = self._known.get(_identity(source))
            if known is None or self._clock() >= known.renew_at:
                self._known[_identity(source)] = await self._request(pod, source)

    def text(self, source: Manifest) -> str:
        """Return the token for a source, once ``renew`` has been called."""
        return self._known[_identity(source)].text

    async def _request(self, pod: Manifest, source: Manifest) -> Token:
        metadata, seconds = pod["metadata"], source.get("expirationSeconds", _LIFE_S)
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        audiences = [source["audience"]] if source.get("audience") else []
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds, "boundObjectRef": bound, "audiences": audiences},
        }
        account = pod["spec"].get("serviceAccountName") or "default"
        path = SERVICE_ACCOUNTS.path(metadata["namespace"], account, "token")
        answer = await self._client.transport.send(Request("POST", path, {}, json.dumps(request).encode()))
        return Token(json.loads(answer)["status"]["token"], self._clock() + seconds * _RENEW)


def _identity(source: Manifest) -> tuple[str, int]:
    return source.get("audience", ""), source.get("expirationSeconds", _LIFE_S)
