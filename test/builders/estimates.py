"""Errors of estimates, and candidates that have them."""

from dgdr_api.candidate import Candidate
from dgdr_api.estimates import ErrorRow, EstimateErrors
from dgdr_api.results import Goal
from dgdr_controller.profiler.calibration import Distributions, with_chances

_NARROW, _WIDE, _SKEWED = (0.7, 0.9, 1.0, 1.1, 1.4), (0.2, 0.5, 1.0, 2.0, 5.0), (0.3, 0.8, 1.0, 3.0, 4.0)
ERRORS = EstimateErrors(
    source="measurements",
    points=100,
    families=7,
    probabilities=(0.02, 0.1, 0.5, 0.9, 0.98),
    rows={
        "narrow": ErrorRow(families=7, points=50, ttft=_NARROW, itl=_NARROW, throughput=_NARROW),
        "wide": ErrorRow(families=5, points=40, ttft=_WIDE, itl=_WIDE, throughput=_SKEWED),
        "skewed": ErrorRow(families=6, points=10, ttft=_SKEWED, itl=_SKEWED, throughput=_SKEWED),
        "pooled": ErrorRow(families=7, points=100, pooled=True, ttft=_WIDE, itl=_WIDE, throughput=_WIDE),
    },
)


def erring(candidate: Candidate, row: str) -> Candidate:
    """Return the candidate with the uncertainty of a row."""
    found = Distributions.of(candidate.numbers, ERRORS.rows[row], ERRORS.probabilities)
    return candidate.model_copy(update={"uncertainty": found.uncertainty(row)})


def promising(candidates: list[Candidate], goal: Goal) -> list[Candidate]:
    """Return the candidates with the chances that they meet a goal's targets."""
    return [with_chances(candidate, goal, ERRORS) for candidate in candidates]
