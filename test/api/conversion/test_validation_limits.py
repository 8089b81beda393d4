"""However much of v1alpha1's own fields is wrong, or does nothing: twenty things are told, in short sentences."""

from collections.abc import Iterator
from typing import Any

import pytest

from dgdr_api.conversion import validation as module
from dgdr_api.conversion.field_mapping import FIELD_MAPPINGS
from dgdr_api.conversion.validation import validate_kept, without_effect
from dgdr_api.text import AND_MORE, MAX_REPORTED

Json = Any
MEGABYTE = "x" * 10**6


def configured(config: Json) -> Json:
    return {"profilingConfig": {"config": config}}


def everything_wrong() -> Json:
    """Return a spec in which every place of v1alpha1 has a value of a wrong type."""
    kept: Json = {}
    for place in FIELD_MAPPINGS:
        for *outer, last in place.sources:
            here = kept
            for part in outer:
                here = here.setdefault(part, {})
            here.setdefault(last, [1])
    return kept


def test_faults_are_at_most_twenty_and_the_last_says_so() -> None:
    found = validate_kept(everything_wrong())
    assert len(found) == MAX_REPORTED
    assert found[-1] is AND_MORE
    assert AND_MORE not in found[:-1]


@pytest.mark.parametrize(
    "config",
    [
        {"sla": {"ttft": MEGABYTE}},
        {"sla": {"isl": [MEGABYTE] * 3}},
        {"hardware": {"gpu_type": MEGABYTE, "gpuType": f"{MEGABYTE}y"}},
        {"hardware": {"min_num_gpus_per_engine": MEGABYTE}},
    ],
)
def test_wrong_value_is_shown_cut(config: Json) -> None:
    told = [str(error) for error in validate_kept(configured(config))]
    assert told
    assert all("xxx…" in message and len(message) < 400 for message in told), told


def test_contradicting_value_is_shown_cut() -> None:
    kept = configured({"hardware": {"gpu_type": MEGABYTE}}) | {"hardware": {"gpuSku": f"{MEGABYTE}y"}}
    (told,) = map(str, validate_kept(kept))
    assert told.count("xxx…") == 2
    assert len(told) < 400


@pytest.mark.parametrize(("settings", "told"), [(19, 19), (20, 20), (21, 20), (90_000, 20)])
def test_settings_without_effect_are_at_most_twenty(settings: int, told: int) -> None:
    found = without_effect(configured({f"made_up_{index}": 1 for index in range(settings)}), {})
    assert len(found) == told
    assert found[0] == "spec.profilingConfig.config.made_up_0 has no effect"
    assert ("more settings here" in found[-1]) == (settings > MAX_REPORTED)


def test_faults_beyond_the_limit_are_not_even_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    leaves, looked = module._leaves, []

    def counted(settings: Json, path: Json) -> Iterator[Any]:
        for leaf in leaves(settings, path):
            looked.append(leaf)
            yield leaf

    monkeypatch.setattr(module, "_leaves", counted)
    without_effect(configured({f"made_up_{index}": 1 for index in range(90_000)}), {})
    assert len(looked) == MAX_REPORTED + 1


def test_setting_without_effect_is_told_in_a_short_sentence() -> None:
    spec: Json = {"backend": MEGABYTE}
    found = without_effect(configured({MEGABYTE: 1, "engine": {"backend": [MEGABYTE]}}), spec)
    assert len(found) == 2
    assert all(len(message) < 600 for message in found), [len(message) for message in found]
    assert found[1].startswith('spec.profilingConfig.config.engine.backend (["xxx')
    assert found[1].endswith("xxx…)")
