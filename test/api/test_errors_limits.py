"""Whatever a document holds, what is told of it is short: nobody reads on after twenty errors, or gets a value back."""

import difflib
from collections.abc import Callable
from typing import Any

import pytest

from dgdr_api import text
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.parse import parse_request
from dgdr_api.text import AND_MORE, MAX_REPORTED, at_most

Build = Callable[..., dict[str, object]]
MEGABYTE = "x" * 10**6


def errors(manifest: object) -> list[FieldError]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(manifest)
    return caught.value.errors


@pytest.mark.parametrize("version", ["nvidia.com/v1beta1", "nvidia.com/v1alpha1"])
@pytest.mark.parametrize("wrong", [19, 20, 21, 5000])
def test_errors_are_at_most_twenty_and_the_last_says_so(manifest: Build, version: str, wrong: int) -> None:
    found = errors(manifest({f"unknown{index}": 1 for index in range(wrong)}, apiVersion=version))
    assert len(found) == min(wrong, MAX_REPORTED)
    assert str(found[0]) == "spec.unknown0: Unknown field"
    assert (found[-1] == AND_MORE) == (wrong > MAX_REPORTED)
    assert AND_MORE not in found[:-1]


def test_misspellings_are_looked_for_only_in_what_is_told(manifest: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[str] = []

    def counted(word: str, *_: object, **__: object) -> list[str]:
        sought.append(word)
        return []

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    errors(manifest({f"unknown{index}": 1 for index in range(5000)}))
    assert 0 < len(sought) <= MAX_REPORTED + 1


def test_misspelling_is_not_looked_for_in_what_is_no_word(manifest: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difflib, "get_close_matches", lambda *_, **__: pytest.fail("sought"))
    (found,) = errors(manifest({MEGABYTE: 1}))
    assert len(str(found)) < 500


@pytest.mark.parametrize(
    "spec",
    [
        {"sla": {"ttft": MEGABYTE}},
        {"backend": MEGABYTE},
        {"runtimeVersionOverride": MEGABYTE},
        {"workload": [MEGABYTE] * 5},
        {"features": {"planner": [{"a": MEGABYTE}]}},
    ],
)
def test_wrong_value_is_shown_cut(manifest: Build, spec: dict[str, object]) -> None:
    (found,) = errors(manifest(spec))
    assert "xxx…" in found.kind
    assert len(str(found)) < 300


@pytest.mark.parametrize("field", ["kind", "apiVersion"])
def test_wrong_type_is_shown_cut(manifest: Build, field: str) -> None:
    (found,) = errors(manifest(**{field: MEGABYTE}))
    assert "xxx…" in found.kind
    assert len(str(found)) < 300


def test_missing_field_does_not_repeat_what_is_around_it(manifest: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is around it may be the whole document: it is not even looked at."""
    monkeypatch.setattr("dgdr_api.parse.shown", lambda _: pytest.fail("shown"))
    whole: dict[str, Any] = manifest()
    del whole["spec"]["model"]
    assert [str(error) for error in errors(whole)] == ["spec.model: Required value"]


def test_at_most_takes_no_more_than_shows_that_it_is_too_much() -> None:
    made = iter(range(100))
    assert at_most(made, -1) == [*range(MAX_REPORTED - 1), -1]
    assert next(made) == MAX_REPORTED + 1
    assert at_most(range(MAX_REPORTED), -1) == [*range(MAX_REPORTED)]
    assert at_most([], -1) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ä", '"ä"'),
        ("x" * 58, f'"{"x" * 58}"'),
        ("x" * 60, f'"{"x" * 59}…'),
        ([1] * 50, f"{str([1] * 50)[:60]}…"),
        (10**5000, "…"),
    ],
    ids=["short", "just", "long", "list", "integer"],
)
def test_value_is_shown_by_its_beginning(value: object, shown: str) -> None:
    assert text.shown(value) == shown


def test_text_in_the_middle_of_a_sentence_has_no_quotation_marks() -> None:
    assert text.quoted("vllm") == "vllm"
    assert text.quoted("x" * 100) == f"{'x' * 60}…"
    assert text.quoted({"a": 1}) == '{"a": 1}'
