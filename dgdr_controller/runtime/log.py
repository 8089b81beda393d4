"""Logs by structlog: JSON lines in a cluster, coloured lines on a terminal.

What is bound once is in every line below: controller, namespace, name, reconcile_id. Loggers pass their records to
`logging`, and `configure` chooses how all of them are written, those of libraries too.
"""

import contextvars
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars, reset_contextvars
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.types import EventDict, Processor, WrappedLogger

_SECRET_NAME = re.compile(r"(?i)token|password|secret_value|authorization|private_key")
_SECRET_VALUE = re.compile(r"(?i)(bearer\s+|hf_)[\w.~+/=-]{8,}")
_REDACTED = "[redacted]"


class bound:  # noqa: N801 - used as a function; a generator would cost each reconcile twice as much
    """Put fields into every line that is logged inside, in this task and those that it starts."""

    __slots__ = ("_fields", "_tokens")

    def __init__(self, **fields: str) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._tokens: Mapping[str, contextvars.Token[Any]] = bind_contextvars(**self._fields)

    def __exit__(self, *_: object) -> None:
        reset_contextvars(**self._tokens)


def _redacted(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace what may be a secret: fields by their name, bearer tokens and tokens of the hub by their shape."""
    for name, value in event.items():
        if isinstance(value, str):
            if _SECRET_NAME.search(name):
                event[name] = _REDACTED
            elif "hf_" in value or "earer" in value or "EARER" in value:
                event[name] = _SECRET_VALUE.sub(rf"\1{_REDACTED}", value)
    return event


def _error_as_text(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Write an exception that is given as a field by its message, or its type where it has none."""
    if isinstance(error := event.get("error"), BaseException):
        event["error"] = str(error) or type(error).__name__
    return event


_COMMON: tuple[Processor, ...] = (
    merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper("iso", utc=True, key="time"),
    _error_as_text,
)
_LOGGER: tuple[Processor, ...] = (structlog.stdlib.filter_by_level, *_COMMON, ProcessorFormatter.wrap_for_formatter)


def get_logger(name: str) -> BoundLogger:
    """Return a logger that takes an event and fields: ``log.warning("Cannot watch", resource=..., error=error)``."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name), processors=_LOGGER, wrapper_class=BoundLogger, cache_logger_on_first_use=True
    )
    return logger


def formatter(*, terminal: bool = False) -> logging.Formatter:
    """Return the formatter for JSON lines, or for a terminal."""
    last: tuple[Processor, ...] = (
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_json),
    )
    if terminal:
        last = (structlog.dev.ConsoleRenderer(timestamp_key="time"),)
    return ProcessorFormatter(
        foreign_pre_chain=_COMMON, processors=(ProcessorFormatter.remove_processors_meta, _redacted, *last)
    )


def _json(event: EventDict, **_: object) -> str:
    """Write a line with what every line has in front, so that people can read it too."""
    first = {name: event.pop(name, "") for name in ("time", "level", "message")}
    return msgspec.json.encode({**first, **event}, enc_hook=str).decode()


def configure(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Log to a stream (standard error): JSON, or lines for people if it is a terminal."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(terminal=stream.isatty()))
    logging.basicConfig(level=level, handlers=[handler], force=True)
