"""Texts that would cost more than they weigh are refused at once and in one sentence."""

import time
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgdr_controller import manifest
from dgdr_controller.manifest import MAX_BYTES, MAX_NODES, ManifestError, load_documents

TOO_MANY = f"more than {MAX_NODES} values (aliases written out): no Kubernetes object"
TOO_LARGE = f"larger than {MAX_BYTES} bytes: no Kubernetes object"
LEVELS = list(pairwise("abcdefgh"))


def refusal(text: str) -> str:
    start = time.process_time()
    with pytest.raises(ManifestError) as caught:
        load_documents(text)
    assert time.process_time() - start < 5
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in LEVELS),
        "a: &a {k: x}\n" + "".join(f"{b}: &{b} {{{', '.join(f'k{i}: *{a}' for i in range(9))}}}\n" for a, b in LEVELS),
        "&a [*a]",
        "a: &a [1, *a]",
        "a: &a {b: *a}",
        "a: &a [&b [*a, *b]]",
    ],
    ids=["lists", "mappings", "document", "list", "mapping", "two"],
)
def test_aliases_that_multiply_or_contain_themselves_are_refused(text: str) -> None:
    assert refusal(text) == TOO_MANY


def test_merges_that_multiply_cost_nothing() -> None:
    bomb = "a: &a {k: x}\n" + "".join(f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in LEVELS)
    start = time.process_time()
    with suppress(ManifestError):
        load_documents(bomb)
    assert time.process_time() - start < 3


def test_alias_of_a_long_text_counts_as_long_as_it_is() -> None:
    assert refusal(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n").startswith("more than 100000 values")


def test_values_are_read_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_NODES", 10)
    at_the_limit = "a: [1, 2, 3, 4, 5, 6, 7, 8]\n"
    assert load_documents(at_the_limit) == [{"a": [1, 2, 3, 4, 5, 6, 7, 8]}]
    assert refusal("a: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n").startswith("more than 10 values")


def test_limit_of_values_is_one_per_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "MAX_NODES", 10)
    assert load_documents("---\na: [1, 2, 3, 4, 5, 6]\n" * 3) == [{"a": [1, 2, 3, 4, 5, 6]}] * 3


def test_text_that_etcd_would_not_store_is_refused_unread() -> None:
    assert refusal("[" * (MAX_BYTES + 1)) == TOO_LARGE
    assert load_documents("#" * MAX_BYTES) == []


def test_size_of_a_text_is_counted_in_bytes() -> None:
    assert refusal("#" + "😀" * (MAX_BYTES // 4)) == TOO_LARGE


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 50_000, id="open lists"),
        pytest.param("[" * 5000 + "]" * 5000, id="lists"),
        pytest.param("{a: " * 5000, id="mappings"),
        pytest.param("- " * 5000 + "x", id="block lists"),
        pytest.param("? " * 3000 + "x", id="keys"),
        pytest.param("\n".join("  " * depth + "a:" for depth in range(800)), id="block mappings"),
    ],
)
def test_deep_nesting_is_refused(text: str) -> None:
    assert refusal(text) == "nested too deeply"


def test_nesting_as_deep_as_a_pod_is_read() -> None:
    (document,) = load_documents("[" * 50 + "]" * 50)
    for _ in range(49):
        assert isinstance(document, list)
        (document,) = document
    assert document == []


def test_number_beyond_any_float_is_a_string_as_in_go() -> None:
    assert load_documents("a: " + "1" * 5000) == [{"a": "1" * 5000}]


def test_control_character_is_refused() -> None:
    assert refusal("a: \x00") == "unacceptable character #x0000: special characters are not allowed"


YAML_LIKE = st.text(st.sampled_from("abn01e. \n\t-?:,[]{}#&*!|>'\"%@`~<=_\\xuU\x85\ufeff"), max_size=40)


@given(st.text() | YAML_LIKE)
@settings(deadline=None)
def test_any_text_raises_nothing_but_a_manifest_error(text: str) -> None:
    with suppress(ManifestError):
        load_documents(text)
