import pytest

from dgdr_api.candidate import Mode
from dgdr_api.results import SearchOutcome, SearchReport
from dgdr_api.v1beta1 import Backend


@pytest.mark.parametrize(
    ("drafts", "title"),
    [(0, "vllm aggregated"), (1, "vllm aggregated, 1 draft token"), (3, "vllm aggregated, 3 draft tokens")],
)
def test_searches_with_and_without_drafts_are_told_apart(drafts: int, title: str) -> None:
    report = SearchReport(
        backend=Backend.VLLM, mode=Mode.AGGREGATED, outcome=SearchOutcome.FOUND, draft_tokens=drafts, candidates=1
    )
    assert report.title == title
