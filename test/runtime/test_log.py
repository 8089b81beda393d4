import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from dgdr_controller.runtime.log import bound, formatter, get_logger

Lines = Callable[[], list[dict[str, str]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream, logger = io.StringIO(), logging.getLogger("test.log")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_begins_with_time_level_and_message(stream: io.StringIO) -> None:
    get_logger("test.log").info("Renewed", lease="a/b")
    line = stream.getvalue()
    assert list(json.loads(line))[:3] == ["time", "level", "message"]
    assert json.loads(line) | {"time": ""} == {
        "time": "",
        "level": "info",
        "message": "Renewed",
        "logger": "test.log",
        "lease": "a/b",
    }


def test_fields_are_bound_for_own_lines_and_those_of_libraries(lines: Lines) -> None:
    with bound(controller="dgdr", name="a"):
        get_logger("test.log").info("Own")
        with bound(name="b"):
            logging.getLogger("test.log.library").info("of a %s", "library")
    get_logger("test.log").info("After")
    own, library, after = lines()
    assert (own["message"], own["controller"], own["name"]) == ("Own", "dgdr", "a")
    assert (library["message"], library["controller"], library["name"]) == ("of a library", "dgdr", "b")
    assert "controller" not in after


def test_secrets_are_redacted(lines: Lines) -> None:
    fields = {"hf_token": "x", "error": ValueError("hf_abcdefghijkl is wrong")}
    get_logger("test.log").warning("Refused with Authorization: Bearer abc.DEF-123456", **fields)
    logging.getLogger("test.log").warning("sent %s", "BEARER abcdefghijk")
    own, library = lines()
    assert own["message"] == "Refused with Authorization: Bearer [redacted]"
    assert [own[name] for name in fields] == ["[redacted]", "hf_[redacted] is wrong"]
    assert library["message"] == "sent BEARER [redacted]"


def test_exception_is_a_field(lines: Lines) -> None:
    try:
        dict[str, str]()["missing"]
    except KeyError as error:
        get_logger("test.log").exception("Cannot read", error=error)
    (line,) = lines()
    assert (line["level"], line["error"]) == ("error", "'missing'")
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("KeyError: 'missing'")


def test_level_is_that_of_the_logger(lines: Lines) -> None:
    get_logger("test.log").debug("Nobody reads this")
    assert lines() == []


def test_terminal_gets_a_line_with_fields_at_its_end() -> None:
    record = logging.LogRecord("test.log", logging.INFO, "", 0, "Renewed", (), None)
    with bound(name="a"):
        text = formatter(terminal=True).format(record)
    assert "Renewed" in text
    assert "name" in text.split("Renewed")[1]
