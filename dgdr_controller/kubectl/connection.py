"""The API server, reached by the kubeconfig that kubectl uses. The only module that knows kr8s.

kr8s writes keys of a kubeconfig into files and leaves them: here they are in a folder that goes with the process.
"""

import contextlib
import json
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import kr8s
import kr8s.asyncio
import yaml

from dgdr_controller.kubectl.errors import PluginError, UnreachableError

_TIMEOUT_S = 30.0
_BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, OSError, yaml.YAMLError)
"""What kr8s raises for a kubeconfig that it cannot use, and for a login that fails."""


@dataclass(frozen=True, slots=True)
class Login:
    """How the user wants the cluster to be reached; None: as kubectl does without the option.

    Attributes:
        kubeconfig: Path of the kubeconfig.
        context: Its context.
        namespace: Namespace of what is asked for.
    """

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server answers.

    Attributes:
        code: HTTP's code.
        body: An object, or a Status.
    """

    code: int
    body: bytes

    @property
    def message(self) -> str:
        """The message of a Status."""
        try:
            return str(json.loads(self.body)["message"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode(errors="replace").strip() or "no message"


class Connection:
    """A connection to one API server.

    Args:
        api: kr8s' client, logged in.
    """

    def __init__(self, api: Any) -> None:
        self._api = api

    @property
    def namespace(self) -> str:
        """Namespace of the kubeconfig's context, the one that is used."""
        auth = self._api.auth
        if not auth.active_context:  # a pod's own account
            return str(self._api.namespace)
        # kr8s' own answer is that of the current context, whichever is used
        return str(auth.kubeconfig.get_context(auth.active_context).get("namespace") or "default")

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request; the path is that of an object, the options are those of httpx.

        Raises:
            UnreachableError: There is no answer.
        """
        base, _, last = path.rpartition("/")
        with _answered(self._api.auth.server):
            try:
                async with self._api.call_api(
                    method, version="", base=base, url=last, timeout=_TIMEOUT_S, **options
                ) as response:
                    return Answer(response.status_code, response.content)
            except kr8s.ServerError as error:
                if error.response is None:
                    raise UnreachableError(self._api.auth.server, str(error)) from error
                return Answer(error.response.status_code, error.response.content)

    async def lines(self, path: str, **options: Any) -> AsyncIterator[str]:
        """Yield the lines of an answer as they come.

        Raises:
            UnreachableError: There is no answer, or it breaks off.
            PluginError: It is an error; the message is the API server's.
        """
        base, _, last = path.rpartition("/")
        with _answered(self._api.auth.server):
            try:
                async with self._api.call_api(
                    "GET", version="", base=base, url=last, stream=True, timeout=None, **options
                ) as response:
                    async for line in response.aiter_lines():
                        yield line
            except kr8s.ServerError as error:
                raise PluginError(str(error)) from error


@contextlib.asynccontextmanager
async def connected(login: Login) -> AsyncIterator[Connection]:
    """Log in.

    Raises:
        PluginError: The kubeconfig does not lead to a cluster, or the login fails.
        UnreachableError: There is no answer.
    """
    with tempfile.TemporaryDirectory(prefix="kubectl-dgdr-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of versions of Kubernetes that kr8s is not tested with
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            yield Connection(await _api(login))
        finally:
            tempfile.tempdir = before


async def _api(login: Login) -> Any:
    with _answered():
        try:
            return await kr8s.asyncio.api(kubeconfig=login.kubeconfig, context=login.context)
        except kr8s.ServerError as error:
            raise PluginError(f"The login fails: {error}") from error
        except _BROKEN as error:
            incomplete = isinstance(error, (LookupError, TypeError, AttributeError))
            why = "it is empty or incomplete" if incomplete else " ".join(str(error).split())
            raise PluginError(
                f"The kubeconfig does not lead to a cluster ({why}): check --kubeconfig, $KUBECONFIG and --context; "
                "kubectl config get-contexts lists what there is"
            ) from error


@contextlib.contextmanager
def _answered(server: str = "") -> Iterator[None]:
    """Turn what httpx and kr8s raise where there is no answer into the plugin's own error."""
    try:
        yield
    except kr8s.APITimeoutError as error:
        raise UnreachableError(server, f"no answer within {_TIMEOUT_S:g} s") from error
    except httpx.HTTPError as error:
        with contextlib.suppress(RuntimeError):  # of an error that belongs to no request
            server = server or f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
        raise UnreachableError(server, str(error) or type(error).__name__) from error
