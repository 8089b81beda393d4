"""Results in a ConfigMap, whatever state that is in, and candidates in them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from dgdr_api.candidate import Outcome, Verdict
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.published import find_candidate, require_offered, results_of, selected_id
from dgdr_controller.profiling_job.protocol import RunState
from test.builders.observed_state import map_of, observed_of, published_of, request_of
from test.builders.results import candidate_of
from test.builders.results import results_of as made_results

OBSERVED = observed_of()


def sentence(config_map: Any) -> str:
    with pytest.raises(PluginError) as raised:
        results_of(config_map, OBSERVED.request)
    assert "\n" not in raised.value.message
    return raised.value.message


def test_results_are_those_that_the_profiler_has_published() -> None:
    assert results_of(published_of(OBSERVED, made_results())["output_map"], OBSERVED.request) == made_results()


def test_output_of_another_request_is_not_read() -> None:
    config_map = published_of(OBSERVED, made_results())["output_map"]
    another = msgspec.structs.replace(
        config_map, metadata=msgspec.structs.replace(config_map.metadata, annotations={}, owner_references=())
    )
    assert sentence(another).startswith("ConfigMap dgdr-output-qwen does not belong to request qwen: ")


def test_output_without_anything_published_is_named() -> None:
    assert "holds nothing that a profiling Job has published" in sentence(map_of(OBSERVED))


def test_search_that_still_runs_is_to_be_waited_for() -> None:
    assert sentence(published_of(OBSERVED)["output_map"]) == (
        "Request qwen has no results yet (phase Pending): kubectl dgdr status qwen -w follows it"
    )


def test_search_that_has_failed_says_why_there_are_no_results() -> None:
    failed = published_of(OBSERVED, status=RunState.FAILED, error="the model does not exist")["output_map"]
    assert sentence(failed).startswith("Profiling of qwen has ended without results (the model does not exist): ")


@pytest.mark.parametrize("packed", ["", "bm9uc2Vuc2U=", "!", "H4sIAAAAAAAC"])
def test_results_that_are_damaged_are_one_sentence(packed: str) -> None:
    config_map = published_of(OBSERVED, made_results())["output_map"]
    damaged = msgspec.structs.replace(config_map, binary_data={"results.json.gz": packed})
    assert sentence(damaged).startswith("ConfigMap dgdr-output-qwen: the published results cannot be read: ")


def test_candidate_is_found_by_its_id_and_as_recommended(ready: Callable[..., Any]) -> None:
    results = made_results()
    first, second = results.candidates
    request = ready(results)
    assert selected_id(request) == first.id
    assert find_candidate(results, second.id, request) == second
    assert find_candidate(results, "recommended", request) == first
    assert find_candidate(results, None, request) == first


def test_candidate_that_the_status_shows_is_the_one_that_nobody_names(ready: Callable[..., Any]) -> None:
    results = made_results()
    shown = ready(results.model_copy(update={"selected": results.candidates[1].id}))
    assert find_candidate(results, None, shown) == results.candidates[1]
    assert find_candidate(results, "recommended", shown) == results.candidates[0]


def test_candidate_that_does_not_exist_is_answered_with_the_closest() -> None:
    known = made_results().candidates[0].id
    with pytest.raises(PluginError, match=f'has no candidate {known[:-1]}z; did you mean "{known}"?'):
        find_candidate(made_results(), f"{known[:-1]}z", OBSERVED.request)


def test_search_without_a_winner_has_no_recommended_candidate() -> None:
    with pytest.raises(PluginError, match="No configuration can be deployed"):
        find_candidate(made_results(selected=None), None, OBSERVED.request)


def test_candidate_that_cannot_be_deployed_says_why() -> None:
    verdict = Verdict(outcome=Outcome.DOES_NOT_FIT, reason="needs 200 GiB of each GPU")
    with pytest.raises(PluginError, match=r"cannot be deployed \(does-not-fit\): needs 200 GiB of each GPU"):
        require_offered(candidate_of(verdict=verdict))
    require_offered(candidate_of(verdict=Verdict(outcome=Outcome.DOMINATED, reason="")))


def test_request_without_status_has_no_selected_candidate() -> None:
    assert selected_id(request_of(status=DgdrStatus(phase=Phase.PROFILING))) == ""
