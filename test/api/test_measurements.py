"""ConfigMap dgdr-measurements: what is read of it, and what a slip in one entry costs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.measurements import MOST, Measurements
from test.builders.measurements import SOURCE, config_map, measurement


def read(**texts: Any) -> Measurements:
    return Measurements.read(config_map()["data"] | texts, SOURCE)


def changed(**fields: Any) -> str:
    content = json.loads(measurement().model_dump_json()) | fields
    return json.dumps({name: value for name, value in content.items() if value is not ...})


def test_measurement_is_read_as_it_was_written() -> None:
    found = measurement(1.2, 0.9, 1.1)
    assert read(**config_map(found)["data"]).entries == {found.key: found}


def test_keys_are_such_as_a_config_map_may_have() -> None:
    assert measurement(sha256="0123456789abcdef" * 4).key == "vllm-agg-0123456789.0123456789ab.json"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "(document): Invalid JSON"),
        ("[]", "(document): Input should be an object"),
        ("{", "(document): Invalid JSON"),
        (changed(measured={"ttft": -1, "itl": 1, "tokensPerSPerGpu": 1}), "measured.ttft: Input should be greater than 0"),
        (changed(measured={"ttft": "fast", "itl": 1, "tokensPerSPerGpu": 1}), "measured.ttft: Input should be a valid num"),
        (changed(corrected=...), "corrected: Field required"),
        (changed(backend="auto"), "backend: Value error, must be an engine, not auto"),
        (changed(schemaVersion="measurement.dgdr.nvidia.com/v9"), "schemaVersion: Input should be 'measurement.dgdr"),
        (changed(colour="red"), "colour: Extra inputs are not permitted"),
        (changed(sha256="x"), "sha256: String should match pattern"),
        (changed(shape="x" * 300), "shape: String should have at most 256 characters"),
        ("x" * 3000, "must have at most 2048 bytes"),
        (7, "must be a text"),
    ],
)  # fmt: skip
def test_malformed_entry_is_named_and_costs_no_other_one(text: Any, why: str) -> None:
    good = measurement()
    found = read(**{"bad.json": text, good.key: good.model_dump_json()})
    assert list(found.entries) == [good.key]
    (message,) = found.unread
    assert message.startswith(f"bad.json: {why}"), message


def test_more_than_are_read_are_counted() -> None:
    text = measurement().model_dump_json()
    found = read(**{f"{number:04}.json": text for number in range(MOST + 3)})
    assert len(found.entries) == MOST
    assert found.unread == ("3 more: at most 200 measurements are read",)


@given(st.dictionaries(st.text(), st.text() | st.none() | st.integers()))
def test_nothing_that_a_config_map_may_hold_is_an_error(data: dict[str, Any]) -> None:
    found = Measurements.read(data, SOURCE)
    assert not found.entries
    assert len(found.unread) == len(data)
    assert Measurements.model_validate_json(found.model_dump_json()) == found
