"""The same text means the same to us and to kubectl.

Expected readings of scalars are those of kubectl's decoder (kubernetes-sigs/yaml, goyaml.v2/resolve.go).
"""

import json
import math
from contextlib import suppress

import pytest
import yaml

from dgdr_controller.manifest import ManifestError, load_documents


def read(scalar: str) -> object:
    (document,) = load_documents(f"value: {scalar}\n")
    assert isinstance(document, dict)
    return document["value"]


@pytest.mark.parametrize(
    ("scalar", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("1_000", 1000),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("0b11", 3),
        ("010", 8),
        ("0o7", 7),
        ("-0o17", -15),
        ("99999999999999999999", 1e20),  # beyond 64 bits
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("-1.5e-3", -0.0015),
        ("12e03", 12000.0),
        ("08", 8.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_0.5", 10.5),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_number_is_a_number(scalar: str, number: float) -> None:
    value = read(scalar)
    assert value == number
    assert type(value) is type(number)


def test_nan_is_a_number() -> None:
    value = read(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    "scalar",
    [
        "2024-01-01",
        "2024-01-01T00:00:00Z",
        "2024-01-01 10:00:00",
        "1:30",
        "190:20:30",
        "22:22",
        "1.2.3",
        "v1",
        "1e",
        "e3",
        "0x",
        "0x_",
        "1٢",
        ".",
        "=",
        "yEs",
        "Qwen/Qwen3-32B",
    ],
)
def test_text_that_is_no_number_stays_a_string(scalar: str) -> None:
    assert read(scalar) == scalar


@pytest.mark.parametrize("scalar", ["yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE", "y", "Y"])
def test_yaml_1_1_has_many_words_for_true(scalar: str) -> None:
    assert read(scalar) is True


@pytest.mark.parametrize("scalar", ["no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE", "n", "N"])
def test_yaml_1_1_has_many_words_for_false(scalar: str) -> None:
    assert read(scalar) is False


@pytest.mark.parametrize("scalar", ["", "~", "null", "Null", "NULL"])
def test_null_has_many_words(scalar: str) -> None:
    assert read(scalar) is None


@pytest.mark.parametrize("scalar", ["yes", "1e3", "~", "0x1F", "2024-01-01", "1:30", "="])
def test_quotes_make_a_string(scalar: str) -> None:
    assert read(f'"{scalar}"') == read(f"'{scalar}'") == read(f"!!str {scalar}") == scalar


@pytest.mark.parametrize(
    ("scalar", "plain"), [("1e3", "'1e3'"), ("2024-01-01", "datetime.date(2024, 1, 1)"), ("1:30", "90")]
)
def test_plain_loader_would_misread_this(scalar: str, plain: str) -> None:
    assert repr(yaml.safe_load(scalar)) == plain
    assert repr(read(scalar)) != plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: duplicate or unusable key 'a'"),
        ("x:\n  - a: 1\n    a: 2\n", "line 3, column 5: duplicate or unusable key 'a'"),
        ('{"a": 1, "a": 2}', "line 1, column 10: duplicate or unusable key 'a'"),
        ("true: 1\nyes: 2\n", "line 2, column 1: duplicate or unusable key True"),
        ("a: 1\n---\nb: 1\nb: 2\n", "line 4, column 1: duplicate or unusable key 'b'"),
        ("[a]: b", "line 1, column 1: duplicate or unusable key ['a']"),
        ("a: [", "line 1, column 5: expected the node content, but found '<stream end>'"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("a: *nope", "line 1, column 4: found undefined alias 'nope'"),
        ("a:\n\tb: 1", "line 2, column 1: found character '\\t' that cannot start any token"),
    ],
)
def test_mistake_is_named_with_line_and_column(text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_documents(text)
    assert str(caught.value) == message


def test_key_in_different_places_is_no_duplicate() -> None:
    assert load_documents("a: {a: 1}\nb: [{a: 1}, {a: 2}]\n") == [{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("---\n---\n", []),
        ("# only a comment\n---\n~\n", []),
        ("a: 1\n---\n# nothing\n---\nb: 2\n...\n---\n", [{"a": 1}, {"b": 2}]),
        ("--- ''\n--- {}\n--- []\n--- false\n--- 0\n", ["", {}, [], False, 0]),
        ("\ufeffa: 1", [{"a": 1}]),
    ],
)
def test_empty_documents_are_skipped_and_others_kept_in_order(text: str, documents: list[object]) -> None:
    assert load_documents(text) == documents


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a: &x {k: [1]}\nb: *x\nc: [*x]\n", {"a": {"k": [1]}, "b": {"k": [1]}, "c": [{"k": [1]}]}),
        ("a: &x text\nb: *x\n", {"a": "text", "b": "text"}),
        ("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\n", {"a": {"k": 1, "l": 2}, "b": {"k": 3, "l": 2}}),
        ("a: &x {k: 1}\nb: &y {l: 2}\nc: {<<: [*x, *y]}\n", {"a": {"k": 1}, "b": {"l": 2}, "c": {"k": 1, "l": 2}}),
    ],
)
def test_anchors_are_written_out(text: str, document: object) -> None:
    assert load_documents(text) == [document]


def test_duplicate_keys_beside_a_merge_are_refused() -> None:
    with pytest.raises(ManifestError, match=r"line 4, column 3: duplicate or unusable key 'k'"):
        load_documents("a: &x {k: 1}\nb:\n  k: 2\n  k: 3\n  <<: *x\n")


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('{\n  "a": [1, true, null, 1.5e3, "x"]\n}', {"a": [1, True, None, 1500.0, "x"]}),
        ('{\n\t"a": {\n\t\t"b": 1\n\t}\n}', {"a": {"b": 1}}),
        (r'{"a": "\ud83d\ude00"}', {"a": "😀"}),
        (r'{"a": "\u00e9\/\n"}', {"a": "é/\n"}),
    ],
    ids=["indented", "tabs", "surrogate pair", "escapes"],
)
def test_json_is_read_like_json(text: str, document: object) -> None:
    assert json.loads(text) == document
    assert load_documents(text) == [document]


@pytest.mark.parametrize(
    "tagged", ["!!timestamp 2024-01-01", "!!binary aGk=", "!!set {x, y}", "!!omap [x: 1]", "!!pairs [x: 1]"]
)
def test_tags_bring_no_value_that_json_does_not_know(tagged: str) -> None:
    with suppress(ManifestError):
        json.dumps(read(tagged))


@pytest.mark.parametrize(
    "tagged",
    ["!!python/object:os.system x", "!local x", "!!bool x", "!!int x", "!!int ''", "!!float ''", "!!timestamp x"],
)
def test_tag_that_does_not_fit_is_refused_with_its_line(tagged: str) -> None:
    with pytest.raises(ManifestError, match=r"^line 1, column \d+: "):
        read(tagged)
