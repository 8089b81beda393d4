"""Which models an endpoint serves, by OpenAI's API: ``/v1/models``."""

import urllib.error
import urllib.request
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, ValidationError

_TIMEOUT_S = 10.0
_MOST_BYTES = 1024 * 1024


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    data: tuple[_Model, ...]


def served_models(url: str) -> list[str] | None:
    """Return the names that clients may ask for; None where the endpoint does not say.

    Args:
        url: URL in front of ``/v1``.

    Raises:
        OSError: Nothing answers, or it answers with an error of its own.
    """
    # AIPerf asks directly, too: what only a proxy reaches cannot be measured.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/v1/models", timeout=_TIMEOUT_S) as answer:
            return [model.id for model in _Answer.model_validate_json(answer.read(_MOST_BYTES)).data]
    except urllib.error.HTTPError as error:
        with error:
            if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise OSError(f"answers with HTTP {error.code}") from None
            return None
    except urllib.error.URLError as error:
        raise OSError(f"cannot be reached: {error.reason}") from None
    except ValidationError:
        return None
