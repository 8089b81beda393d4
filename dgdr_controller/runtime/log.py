"""Logs as JSON lines; what is bound once is in every line below: controller, namespace, name, reconcile_id."""

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_bound: contextvars.ContextVar[tuple[tuple[str, str], ...]] = contextvars.ContextVar("bound", default=())


class bound:  # noqa: N801 - used as a function; a generator would cost each reconcile twice as much
    """Put fields into every line that is logged inside, in this task and those that it starts."""

    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token: contextvars.Token[tuple[tuple[str, str], ...]] = _bound.set((*_bound.get(), *self._fields.items()))

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, with what is bound where it was logged."""
        line: dict[str, str] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_bound.get()),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Lines for people, with ``key=value`` at the end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Format a record, with what is bound where it was logged."""
        return " ".join((super().formatMessage(record), *(f"{name}={value}" for name, value in _bound.get())))


def configure(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Log to a stream (standard error): JSON, or lines for people if it is a terminal."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if stream.isatty() else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
