"""What can go wrong, as one tree.

```
RuntimeFault
├── ConfigError            the API server cannot be addressed: no kubeconfig, no token
├── NotLeaderError         a write was refused here: the lease is not ours, or no longer
├── NotWatchedError        the cache was asked for a kind that nobody watches
├── NotSyncedError         the cache was asked before the first list was complete
├── TerminalError          raised by a reconciler: trying again cannot help
└── RequestError           a request had no success
    ├── UnreachableError   no answer: connection refused or lost, timeout
    └── ApiError           an answer that says no
        ├── BadRequestError 400 · UnauthorizedError 401 · ForbiddenError 403 · NotFoundError 404
        ├── ConflictError 409 · AlreadyExistsError 409 · ExpiredError 410 · InvalidError 422
        └── TooManyRequestsError 429 · ServerError 500, 502, 504 · UnavailableError 503
```
"""

import msgspec


class RuntimeFault(Exception):  # noqa: N818 - the root; RuntimeError is Python's
    """Base of all errors of this package."""


class ConfigError(RuntimeFault):
    """The API server cannot be addressed with what the environment offers."""


class NotLeaderError(RuntimeFault):
    """A write was refused before it was sent: this process does not hold the lease."""


class NotWatchedError(RuntimeFault):
    """The cache holds nothing of a kind because nobody asked to watch it."""


class NotSyncedError(RuntimeFault):
    """The cache does not know yet what exists; to answer "nothing" would be a lie."""


class TerminalError(RuntimeFault):
    """Raised by a reconciler for what another try cannot change; it is counted and logged, not retried."""


class RequestError(RuntimeFault):
    """A request had no success.

    Attributes:
        retry_after: Seconds after which the server wants to be asked again, if it said so.
    """

    retry_after: float | None = None

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later."""
        return True


class UnreachableError(RequestError):
    """No answer came: refused or lost connection, timeout.

    Attributes:
        sent: Whether the request may have reached the server, and so may have been carried out.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One of the reasons of a refusal: usually a field and what is wrong with it."""

    reason: str = ""
    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a refusal is about."""

    name: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] | None = ()
    retry_after_seconds: int = 0


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    status: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


class ApiError(RequestError):
    """The API server answered, and said no.

    Attributes:
        status: HTTP status code.
        reason: Kubernetes' word for it, such as ``AlreadyExists``.
        message: The server's sentence.
        details: What it is about; causes name fields.
    """

    def __init__(
        self, status: int, reason: str, message: str, details: Details | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{message or reason or 'no message'} (HTTP {status})")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or Details()
        self.retry_after = retry_after

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return False

    def has_cause(self, reason: str) -> bool:
        """Say whether one of the causes has this reason."""
        return any(cause.reason == reason for cause in self.details.causes or ())


class BadRequestError(ApiError):
    """400: the request makes no sense to the server."""


class UnauthorizedError(ApiError):
    """401: the server does not know who asks; a token may have expired."""

    @property
    def transient(self) -> bool:
        """A token that has expired is replaced in its file by the kubelet."""
        return True


class ForbiddenError(ApiError):
    """403: RBAC or an admission rule refuses."""


class NotFoundError(ApiError):
    """404: no such object, or no such kind."""


class ConflictError(ApiError):
    """409: the object has changed meanwhile, or another field manager owns a field."""


class AlreadyExistsError(ConflictError):
    """409: an object of this name exists."""


class ExpiredError(ApiError):
    """410: the resourceVersion or continue token is too old."""


class InvalidError(ApiError):
    """422: the object was understood and refused; the causes name the fields."""


class TooManyRequestsError(ApiError):
    """429: the server asks for patience, see ``retry_after``."""

    @property
    def transient(self) -> bool:
        """The server said so."""
        return True


class ServerError(ApiError):
    """5xx: the server failed."""

    @property
    def transient(self) -> bool:
        """Servers recover."""
        return True


class UnavailableError(ServerError):
    """503: the server, or a webhook or API service behind it, is down."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
    429: TooManyRequestsError,
    503: UnavailableError,
}
_SERVER_ERRORS = 500
_decode = msgspec.json.Decoder(_Status).decode


def api_error(status: int, body: bytes, retry_after: str | None = None) -> ApiError:
    """Return the error that an answer means.

    Args:
        status: HTTP status, or the code of an ``ERROR`` event in a watch.
        body: A ``Status`` object; anything else is quoted.
        retry_after: The header, which only counts as a number of seconds here.
    """
    try:
        answer = _decode(body)
    except msgspec.MsgspecError:
        answer = _Status(message=body[:300].decode(errors="replace").strip())
    status = status or answer.code
    kind = _BY_STATUS.get(status) or (ServerError if status >= _SERVER_ERRORS else ApiError)
    if answer.reason == "AlreadyExists":
        kind = AlreadyExistsError
    wait = float(retry_after) if retry_after and retry_after.isdecimal() else None
    if wait is None and answer.details and answer.details.retry_after_seconds:
        wait = float(answer.details.retry_after_seconds)
    return kind(status, answer.reason, answer.message, answer.details, wait)
