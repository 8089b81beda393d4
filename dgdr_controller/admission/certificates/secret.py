"""Certificates and keys in a Secret: read, and replaced only in the state that was read.

The Secret exists already and ships empty, because RBAC cannot limit `create` to one name: all that is done here are
`get` and `patch` of this one.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct
from msgspec.json import Decoder

from dgdr_controller.admission.certificates.errors import SecretError
from dgdr_controller.admission.certificates.lifetimes import Lifetimes
from dgdr_controller.admission.certificates.rotation import Material, renewed
from dgdr_controller.kinds import Meta
from dgdr_controller.runtime import Client, ConflictError, ForbiddenError, Key, NotFoundError, Resource
from dgdr_controller.runtime.log import get_logger

log = get_logger(__name__)
_TRIES = 10
"""Each conflict means that another replica has written, and what it wrote is good: there are few in a row."""


@dataclass(frozen=True, slots=True)
class Held:
    """What the Secret holds.

    Attributes:
        material: Certificates and keys.
        version: In which state: the Secret's resourceVersion.
    """

    material: Material
    version: str


class _Secret(Struct):
    metadata: Meta
    data: dict[str, str] | None = None


_decode = Decoder(_Secret).decode


def _held(raw: bytes) -> Held:
    secret = _decode(raw)
    certificate, key, bundle, authority_key = (
        base64.b64decode((secret.data or {}).get(name, "")) for name in ("tls.crt", "tls.key", "ca.crt", "ca.key")
    )
    return Held(Material(certificate, key, bundle, authority_key), secret.metadata.resource_version)


SECRETS = Resource("", "v1", "secrets", "Secret", decode=_held)


class CertificateSecret:
    """The Secret that all replicas share.

    Args:
        client: Reads and writes, also while this process does not lead.
        key: Namespace and name of the Secret.

    Every method raises:
        SecretError: It is missing, or RBAC does not let us.
        RequestError: The API server says no otherwise, or does not answer.
    """

    def __init__(self, client: Client, key: Key) -> None:
        self._client = client
        self._key = key

    async def renew(self, names: Sequence[str], clock: Callable[[], datetime], lifetimes: Lifetimes) -> Material:
        """Return what is held, renewed where that is due; where two replicas renew at once, one wins and both use its.

        Args:
            names: DNS names that the serving certificate must be for.
            clock: The time.
            lifetimes: How long what is made lives.
        """
        for _ in range(_TRIES):
            held = await self.read()
            wanted = renewed(held.material, names, clock(), lifetimes)
            if wanted is held.material:
                return wanted
            try:
                await self.replace(held, wanted)
            except ConflictError:
                log.info("Another replica has renewed the certificates", secret=str(self._key))
                continue
            log.info("Renewed the certificates", secret=str(self._key))
            return wanted
        raise SecretError(f"Secret {self._key} changes faster than it can be read: who else writes it?")

    async def read(self) -> Held:
        """Return what the Secret holds."""
        try:
            return await self._client.get(SECRETS, self._key)
        except (NotFoundError, ForbiddenError) as error:
            raise self._explained("get", error) from error

    async def replace(self, held: Held, material: Material) -> Held:
        """Replace what was read; return it as it is held now.

        Raises:
            ConflictError: Somebody else has written since.
        """
        content = {
            "tls.crt": material.certificate,
            "tls.key": material.key,
            "ca.crt": material.bundle,
            "ca.key": material.authority_key,
        }
        data = {name: base64.b64encode(value).decode() for name, value in content.items()}
        change = {"metadata": {"resourceVersion": held.version}, "data": data}
        try:
            return await self._client.patch(SECRETS, self._key, change)
        except (NotFoundError, ForbiddenError) as error:
            raise self._explained("patch", error) from error

    def _explained(self, verb: str, error: NotFoundError | ForbiddenError) -> SecretError:
        if isinstance(error, NotFoundError):
            return SecretError(
                f"Secret {self._key} is missing. It comes empty with config/webhook and is filled here: apply that "
                "again (kubectl apply -k config/default)"
            )
        return SecretError(
            f"no right to {verb} Secret {self._key}: apply the Role of config/webhook again, which grants get and "
            f"patch of this one Secret ({error})"
        )
