"""AIPerf's records of single requests, ``profile_export.jsonl``, while they are being written and afterwards."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

_MOST_BYTES = 4 * 1024 * 1024
"""Bytes that are read at a time."""
_LONGEST_MESSAGE = 300


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RequestError(_Part):
    """Why a request failed.

    Attributes:
        code: HTTP status, if there was an answer.
        type: Kind of error.
        message: What the server or the client says.
    """

    code: int | None = None
    type: str | None = None
    message: str = ""

    def __str__(self) -> str:
        kind = f"HTTP {self.code}" if self.code else self.type or "error"
        return f"{kind}: {' '.join(self.message.split())[:_LONGEST_MESSAGE]}"


class _Metadata(_Part):
    phase_name: str = ""


class _Record(_Part):
    metadata: _Metadata = _Metadata()
    error: RequestError | None = None


class Records:
    """The records of one run of AIPerf.

    Args:
        path: The file; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._counts: Counter[str] = Counter()

    def read(self) -> Mapping[str, int]:
        """Read what was added since the last call; return how many records there are of each phase."""
        if not self._path.exists():
            return self._counts
        with self._path.open("rb") as file:
            file.seek(self._offset)
            added = file.read(_MOST_BYTES)
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._counts.update(record.metadata.phase_name for record in map(_record, whole.splitlines()) if record)
        return self._counts

    def first_error(self) -> RequestError | None:
        """Return why the first request failed that did; None where none did, or it is not among the first records."""
        if not self._path.exists():
            return None
        with self._path.open("rb") as file:
            records = map(_record, file.read(_MOST_BYTES).splitlines())
            return next((record.error for record in records if record and record.error), None)


def _record(line: bytes) -> _Record | None:
    try:
        return _Record.model_validate_json(line)
    except ValidationError:
        return None
