"""A model's config and the sizes of its weights, from the Hugging Face hub.

Endpoint, token, proxies and offline mode are those of the hub's own library (``HF_ENDPOINT``, ``HF_TOKEN``,
``HF_HUB_OFFLINE``). Nothing else is downloaded: configs are kilobytes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from dgdr_controller.profiler.errors import InterruptedRunError, RequestRefusedError
from dgdr_controller.profiler.model.folder import CONFIG_FILES, weights_among

TIMEOUT_S = 10.0
"""Of one request to the hub; a network that swallows everything costs this, times the attempts."""
WITHOUT_CACHE = " and no modelCache specified"
"""How the sentence below ends, which is Dynamo's; it is left out for a request that names a model cache."""
_ATTEMPTS = 3
_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*|[A-Za-z0-9][\w.-]*")
"""What can be the id of a repository; a path or a private name is none, and the hub is not asked."""
_TOKEN = "a token in HF_TOKEN (in a cluster: Secret hf-token-secret, key HF_TOKEN)"  # noqa: S105 - says where it goes


def download(model: str, folder: Path) -> int | None:
    """Write a model's configs into a folder.

    Args:
        model: Id of its repository.
        folder: Exists.

    Returns:
        Bytes of its weights, or None if the hub does not say.

    Raises:
        RequestRefusedError: The hub has no such model, or does not show it to us.
        InterruptedRunError: The hub cannot be reached, now or from here.
    """
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415 - takes half a second

    if not _ID.fullmatch(model):
        raise _not_found(model)
    again = retry_if_exception_type(_Unreachable)
    try:
        for attempt in Retrying(
            stop=stop_after_attempt(_ATTEMPTS), wait=wait_exponential(max=4), retry=again, reraise=True
        ):
            with attempt:
                return _download(model, folder)
    except HfHubHTTPError as error:
        raise _refused(model, error) from None
    except _Unreachable as error:
        raise InterruptedRunError(
            f"Model '{model}' is unknown to the simulator, and the Hugging Face hub cannot be reached: "
            f"{error}. Try again later, or mount the model with spec.modelCache"
        ) from None
    raise AssertionError("a retry ends with an answer or an exception")


def refusal(model: str) -> str | None:
    """Say why the hub would not let engines download a model; None: it would, or it does not tell now."""
    if not _ID.fullmatch(model):
        return None
    from huggingface_hub import HfApi  # noqa: PLC0415 - takes half a second
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        HfApi().auth_check(model)
    except HfHubHTTPError as error:
        status = error.response.status_code
        return str(_refused(model, error)) if status in _REFUSALS else None
    except Exception:  # noqa: BLE001 - out of reach, offline: whoever downloads it says so
        return None
    return None


_REFUSALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


@dataclass(frozen=True, slots=True)
class Hub:
    """What the hub is asked.

    Attributes:
        download: Writes a model's configs into a folder; returns the bytes of its weights.
        refusal: Says why it would not let engines download a model.
    """

    download: Callable[[str, Path], int | None]
    refusal: Callable[[str], str | None]


HUB = Hub(download, refusal)


class _Unreachable(Exception):  # noqa: N818 - never leaves this module
    """The hub gives no answer, or one that it may not give the next time."""


def _download(model: str, folder: Path) -> int | None:
    from httpx2 import TransportError  # noqa: PLC0415 - what the hub's library speaks through
    from huggingface_hub import HfApi  # noqa: PLC0415 - takes half a second
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    api = HfApi()
    try:
        found = api.model_info(model, files_metadata=True, timeout=TIMEOUT_S)
        sizes = {sibling.rfilename: sibling.size for sibling in found.siblings or ()}
        for name in CONFIG_FILES:
            if name in sizes:
                api.hf_hub_download(model, name, local_dir=folder, etag_timeout=TIMEOUT_S)
    except LocalEntryNotFoundError as error:
        raise _Unreachable(" ".join(str(error).split())) from error
    except HfHubHTTPError as error:
        if error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.response.status_code in _PATIENCE:
            raise _Unreachable(f"it answers {error.response.status_code}") from error
        raise
    except (OSError, TransportError) as error:  # connections refused, names unknown, time over
        raise _Unreachable(f"{type(error).__name__}: {error}") from error
    return weights_among({name: size for name, size in sizes.items() if size})


_PATIENCE = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}


def _refused(model: str, error: Exception) -> RequestRefusedError:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError  # noqa: PLC0415 - it is loaded by now

    status = error.response.status_code if isinstance(error, HfHubHTTPError) else HTTPStatus.NOT_FOUND
    if isinstance(error, GatedRepoError):
        return RequestRefusedError(
            f"Model '{model}' is gated on HuggingFace: accept its terms there, and provide {_TOKEN}"
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return RequestRefusedError(
            f"HuggingFace does not show model '{model}' ({status}): it does not exist, or needs {_TOKEN} of somebody "
            "who may read it"
        )
    return _not_found(model)


def _not_found(model: str) -> RequestRefusedError:
    return RequestRefusedError(f"Model '{model}' not found on HuggingFace and no modelCache specified")
