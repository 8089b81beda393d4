"""Manifests that we write mean the same to us, to kubectl and to a reader."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dgdr_controller.manifest import dump_documents, load_documents

WORDS = "~ null Null true True yes NO on off y n = << - ? : . - # * & ! % @ ` | > {} [] ' \" \\ --- ... -x *x &x !x %x"
NUMBERS = "0 -1 +1 010 08 0o7 0x1F 0x_ 0b11 1_000 1_0.5 1:30 1e3 12e03 1. .5 .inf -.INF .nan 99999999999999999999 1٢"
DATES = "2024-01-01 2024-01-01T00:00:00Z 22:22 1.2.3"
SPACES = ["", " ", "- x", "# x", "a: b", "a #b", " lead", "trail ", "2024-01-01 10:00:00", "a\tb", "\t", "x " * 200]
LINES = ["\n", "two\nlines", "two\nlines\n", "\n\nx\n\n", " x\n  y\n", "\r\n", "\x85", "a\x85b", "\u2028", "a\u2029b"]
CHARACTERS = ["\x00", "\x1b", "é", "😀", "\ufeff", "\x7f", "\xa0", "x" * 300]
LOOKALIKES = [*WORDS.split(), *NUMBERS.split(), *DATES.split(), *SPACES, *LINES, *CHARACTERS]
TEXT = st.text() | st.sampled_from(LOOKALIKES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


def exact(value: object) -> str:
    """Tell 1 from 1.0 and True, and one order of keys from another."""
    return json.dumps(value)


@given(st.lists(JSON.filter(lambda value: value is not None), max_size=3))
@settings(deadline=None)
@example([{"next line": "\x85"}])
def test_json_value_survives(documents: list[object]) -> None:
    assert exact(load_documents(dump_documents(documents))) == exact(documents)


@pytest.mark.parametrize("text", LOOKALIKES)
def test_string_that_looks_like_something_else_stays_a_string(text: str) -> None:
    document = {"value": text, text: [text]}
    assert load_documents(dump_documents([document])) == [document]


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "Off",
        "y",
        "Y",
        "n",
        "N",
        "null",
        "~",
        "010",
        "0o7",
        "-0o17",
        "1_000",
        "1_0.5",
        "1_e3",
        "1e3",
        ".inf",
        "1.5",
    ],
)
def test_string_that_kubectl_would_not_read_as_one_is_quoted(text: str) -> None:
    assert dump_documents([{"k": text}]) in (f"k: '{text}'\n", f'k: "{text}"\n')
    assert dump_documents([{text: "v"}]) in (f"'{text}': v\n", f'"{text}": v\n')


def test_documents_are_written_for_readers() -> None:
    shared = {"b": ["x", "é"]}
    assert dump_documents([{"z": shared, "a": shared}, {"k": {}}]) == (
        "z:\n  b:\n    - x\n    - é\na:\n  b:\n    - x\n    - é\n---\nk: {}\n"
    )


def test_absent_documents_are_no_text() -> None:
    assert dump_documents([]) == ""
