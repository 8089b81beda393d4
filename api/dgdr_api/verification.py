"""Whether a deployment that is healthy is measured, and for how long."""

import re
from collections.abc import Mapping

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.names import ANNOTATION_VERIFY
from dgdr_api.text import shown

SHORTEST_S, LONGEST_S = 10, 3600
"""Of a verification: less is noise, and more is a load that somebody should look at."""
_UNITS = {"s": 1, "m": 60}
_DURATION = re.compile(r"(\d{1,4})([sm])")


def verification_s(annotations: Mapping[str, str] | None) -> int | None:
    """Return for how many seconds a request has its deployment measured; 0: not at all; None: it does not say.

    Raises:
        InvalidRequestError: The annotation is no such duration.
    """
    text = (annotations or {}).get(ANNOTATION_VERIFY)
    if text is None:
        return None
    found = _DURATION.fullmatch(text) if text.isascii() else None
    seconds = int(found[1]) * _UNITS[found[2]] if found else -1
    if seconds == 0 or SHORTEST_S <= seconds <= LONGEST_S:
        return seconds
    path = f"metadata.annotations[{ANNOTATION_VERIFY}]"
    detail = 'must be a duration from "10s" to "60m", or "0s" for none'
    raise InvalidRequestError([FieldError(path, f"Invalid value: {shown(text)}", detail)])
