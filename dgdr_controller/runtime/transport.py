"""Bytes to and from the API server: TLS, login, timeouts, retries of what is safe to repeat, the leader's fence."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import tenacity
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from dgdr_controller.runtime import metrics
from dgdr_controller.runtime.config import Config, TokenFile
from dgdr_controller.runtime.errors import (
    ApiError,
    RequestError,
    TooManyRequestsError,
    UnauthorizedError,
    UnreachableError,
    api_error,
)
from dgdr_controller.runtime.server_time import ServerTime

Fence = Callable[[], float]
"""Asked before every write: returns the seconds that the write may take, or raises ``NotLeaderError``."""

JSON = "application/json"
_ERROR = 400
_UNAUTHORIZED = 401
_ATTEMPTS = 5
_LONGEST_PAUSE_S = 30.0
_BUFFER = 2**20


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        method: HTTP method.
        path: Path of the URL.
        params: Query.
        body: JSON of a write.
        content: Its media type.
        idempotent: Whether it may be carried out twice: then it is repeated after any fault that may pass; others are
            repeated only when the server has certainly not carried them out.
        accept: Media type of the answer.
    """

    method: str
    path: str
    params: Mapping[str, str]
    body: bytes | None = None
    content: str = JSON
    idempotent: bool = False
    accept: str = JSON

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


class Transport:
    """Sends requests; belongs to one event loop.

    Args:
        config: Where to and who asks.
        timeout: Seconds for one request, connecting included.
        attempts: How often a request is sent at most.
        fence: Asked before every write.
        user_agent: Name that the API server's audit log shows.

    Attributes:
        server_time: The API server's time of day.
    """

    def __init__(
        self,
        config: Config,
        *,
        timeout: float = 30.0,
        attempts: int = _ATTEMPTS,
        fence: Fence | None = None,
        user_agent: str = "dgdr-controller",
    ) -> None:
        self.config = config
        self.fence = fence
        self.server_time = ServerTime()
        self._timeout = timeout
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self._host = urlsplit(config.server).netloc
        self._retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(attempts), wait=_pause, retry=_repeat, reraise=True
        )

    async def send(self, request: Request) -> bytes:
        """Send a request, again where that is safe; return the body of the answer.

        Raises:
            NotLeaderError: The fence refuses a write.
            ApiError: The server says no.
            UnreachableError: No answer came.
        """
        return await self._retrying(self._once, request)

    async def stream(self, path: str, params: Mapping[str, str], *, idle: float, length: float) -> AsyncIterator[bytes]:
        """Yield the lines of an answer that does not end, until the server ends it.

        An incomplete last line is dropped. Lines have no longest length, unlike those of `aiohttp.StreamReader`.

        Args:
            path: Path of the URL.
            params: Query.
            idle: Seconds without a byte after which the connection counts as dead.
            length: Seconds after which it is ended in any case.

        Raises:
            ApiError: The server says no.
            UnreachableError: The connection was refused, lost, or silent for too long.
        """
        limits = aiohttp.ClientTimeout(total=length, sock_connect=self._timeout, sock_read=idle)
        try:
            async with self._open().get(
                self.config.server + path, params=params, headers=self._headers(), timeout=limits
            ) as response:
                self.server_time.note(response.headers.get("Date"))
                metrics.requests_total.labels(str(response.status), "GET", self._host).inc()
                if response.status >= _ERROR:
                    raise self._error(response, await response.read())
                async for line in _lines(response.content):
                    yield line
        except (OSError, aiohttp.ClientError) as error:
            raise UnreachableError(f"{path}: {_message_of(error)}") from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()
            self._session = None

    async def _once(self, request: Request) -> bytes:
        allowed = self.fence() if request.writes and self.fence else self._timeout
        limits = aiohttp.ClientTimeout(total=min(self._timeout, allowed), sock_connect=min(self._timeout, 10.0))
        headers = self._headers() | {"Accept": request.accept}
        if request.body is not None:
            headers["Content-Type"] = request.content
        url, code = self.config.server + request.path, "<error>"
        try:
            async with self._open().request(
                request.method, url, params=request.params, data=request.body, headers=headers, timeout=limits
            ) as response:
                code = str(response.status)
                self.server_time.note(response.headers.get("Date"))
                answer = await response.read()
                if response.status >= _ERROR:
                    raise self._error(response, answer)
                return answer
        except aiohttp.ClientConnectorError as error:
            raise UnreachableError(f"{request.method} {request.path}: {_message_of(error)}", sent=False) from error
        except (OSError, aiohttp.ClientError) as error:
            raise UnreachableError(f"{request.method} {request.path}: {_message_of(error)}") from error
        finally:
            metrics.requests_total.labels(code, request.method, self._host).inc()

    def _error(self, response: aiohttp.ClientResponse, body: bytes) -> ApiError:
        if response.status == _UNAUTHORIZED and isinstance(self.config.token, TokenFile):
            self.config.token.expire()
        return api_error(response.status, body, response.headers.get("Retry-After"))

    def _headers(self) -> dict[str, str]:
        # Lists could be had compressed: that would cost both sides CPU to save traffic within a cluster.
        headers = {"Accept": JSON, "Accept-Encoding": "identity"}
        if authorization := self.config.authorization():
            headers["Authorization"] = authorization
        return headers

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self.config.tls or False,
                limit=0,
                keepalive_timeout=60,
                # A watch that is cancelled waits for the server's farewell; without this nobody ends it if none comes.
                enable_cleanup_closed=NEEDS_CLEANUP_CLOSED,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, headers={"User-Agent": self._user_agent}, read_bufsize=_BUFFER
            )
        return self._session


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a body into lines; the pieces of a long one are joined once, not each time some more arrives."""
    pieces: list[bytes] = []
    async for chunk in content.iter_any():
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            line = chunk[start:end]
            if pieces:
                line = b"".join((*pieces, line))
                pieces.clear()
            if line:
                yield line
            start = end + 1
        if start < len(chunk):
            pieces.append(chunk[start:])


def _repeat(state: tenacity.RetryCallState) -> bool:
    """Say whether a request is sent again: its fault may pass, and being carried out twice does no harm."""
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, RequestError) or not error.transient:
        return False
    request: Request = state.args[0]
    if not request.writes or request.idempotent:
        return True
    return isinstance(error, (TooManyRequestsError, UnauthorizedError)) or (
        isinstance(error, UnreachableError) and not error.sent
    )


_backoff = tenacity.wait_random_exponential(multiplier=0.2, max=5)


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt: what the server asks for, else growing and random."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, RequestError) else None
    return min(asked, _LONGEST_PAUSE_S) if asked is not None else _backoff(state)


def _message_of(error: BaseException) -> str:
    return str(error) or type(error).__name__
