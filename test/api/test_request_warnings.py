"""The sentences of SLAWarning and ConfigurationWarning."""

import re

import pytest

from dgdr_api.request_warnings import ConfigurationWarning, Missed, SLAWarning


def test_missed_target_reads_like_the_design_proposal() -> None:
    warning = SLAWarning.closest([Missed("TTFT", 50, 120, 120)], "8 × H100, tensor parallel 8")
    assert warning.type == "SLAWarning"
    assert warning.message == (
        "Cannot meet TTFT=50ms with this model/hardware. Closest achievable: TTFT=120ms "
        "(8 × H100, tensor parallel 8). Deploying with best available configuration"
    )


def test_every_missed_target_is_named_with_its_closest_value() -> None:
    warning = SLAWarning.closest([Missed("TTFT", 50, 1740.6, 1740.6), Missed("ITL", 1, 5.4, 5.4)], "8 × H100")
    assert warning.message == (
        "Cannot meet TTFT=50ms and ITL=1ms with this model/hardware. Closest achievable: TTFT=1740ms, ITL=5.4ms "
        "(8 × H100). Deploying with best available configuration"
    )


def test_closest_value_is_the_lowest_there_is_and_what_is_deployed_is_said_beside_it() -> None:
    message = SLAWarning.closest([Missed("TTFT", 50, 161, 133), Missed("ITL", 1, 5.4, 5.4)], "1 × tp8").message
    assert "Closest achievable: TTFT=133ms, ITL=5.4ms (1 × tp8; deployed: TTFT=161ms, ITL=5.4ms)." in message


def test_target_that_is_missed_only_in_company_is_not_called_impossible() -> None:
    message = SLAWarning.closest([Missed("TTFT", 150, 161, 133)], "1 × tp8").message
    assert message.startswith(
        "Cannot meet TTFT=150ms with the other targets with this model/hardware. Closest achievable: TTFT=161ms (1 × tp8)."
    )


@pytest.mark.parametrize(("target", "closest"), [(50, 50.04), (2000, 2001), (0.001, 0.0010004)])
def test_target_missed_by_a_hair_is_not_called_reached(target: float, closest: float) -> None:
    message = SLAWarning.closest([Missed("TTFT", target, closest, closest)], "8 × H100").message
    wanted, reached = re.findall(r"TTFT=(\S+?)ms", message)
    assert wanted != reached


def test_served_share_of_a_load_is_a_percentage() -> None:
    warning = SLAWarning.share_served("concurrency 100", 0.42, 32, None)
    assert warning.type == "SLAWarning"
    assert warning.message == (
        "Cannot serve concurrency 100 with 32 GPUs. Closest achievable: 42% of it. Requests beyond that wait, which the "
        "estimated TTFT leaves out. "
        "Deploying with best available configuration"
    )
    assert SLAWarning.share_served("concurrency 100", 0.42, 32, 80).message == (
        "Cannot serve concurrency 100 with 32 GPUs. Closest achievable: 42% of it. Requests beyond that wait, which the "
        "estimated TTFT leaves out. 80 GPUs serve it within the latency "
        "targets. Deploying with best available configuration"
    )


@pytest.mark.parametrize(("share", "contradiction"), [(0.996, " 100% "), (0.004, " 0% ")])
def test_part_of_a_load_is_neither_all_nor_nothing(share: float, contradiction: str) -> None:
    assert contradiction not in SLAWarning.share_served("concurrency 100", share, 32, None).message


def test_note_about_the_configuration_carries_its_sentence() -> None:
    warning = ConfigurationWarning.note("The engine's version is newer than its data.")
    assert (warning.type, warning.message) == ("ConfigurationWarning", "The engine's version is newer than its data.")
