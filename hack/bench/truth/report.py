"""All that the benchmark finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.calibration.table import CalibrationProvenance
from hack.bench.truth.options import Workload, workloads
from hack.bench.truth.rules import RULES, SHIPPED
from hack.bench.truth.score import Score, score
from hack.calibration.estimates import Samples
from hack.calibration.provenance import provenance_of
from hack.calibration.validate import Outcome, error, family, left_out, system

Scores = Mapping[str, Mapping[OptimizationType, Score]]
_OBJECTIVES = (OptimizationType.THROUGHPUT, OptimizationType.HYBRID)
_FEWEST_WORKLOADS = 5


@dataclass(frozen=True, slots=True)
class Report:
    """What was found.

    Attributes:
        provenance: What the corrections were fitted to.
        by_family: Every point, corrected without its model family.
        by_system: Every point, corrected without its GPU system.
        workloads: How many workloads rules were compared on.
        scores: By rule and objective, with the first corrections.
        scores_by_system: The same with the second ones.
        scores_by_engine: Choices among the deployments of one engine, with the first ones.
    """

    provenance: CalibrationProvenance
    by_family: Sequence[Outcome]
    by_system: Sequence[Outcome]
    workloads: int
    scores: Scores
    scores_by_system: Scores
    scores_by_engine: Mapping[Backend, Scores]

    def line(self) -> str:
        """Return the figures in one line, for a log."""
        errors = error(self.by_family)
        held = ", ".join(f"{number} {share:.0%}" for number, share in errors.in_80_percent_range.items())
        picks = (
            f"{objective}: hit {found.hit:.0%} loss {found.loss:.0%}"
            for objective, found in self.scores[SHIPPED].items()
        )
        return (
            f"bench-truth: {errors.points} points, {self.workloads} workloads, one family left out: TTFT median "
            f"{errors.ttft_median:+.0%} mean {errors.ttft_mean:.0%}; ITL within 20 %: "
            f"{errors.itl_within_20_percent:.0%}; 80 % range holds {held}; {SHIPPED}: {', '.join(picks)}"
        )


def measure(found: Samples) -> Report:
    """Leave out, correct, pick and score."""
    provenance = provenance_of(found)
    by_family, by_system = (left_out(found.samples, by, provenance) for by in (family, system))
    chosen = workloads(by_family)
    engines = {backend: workloads(by_family, backend) for backend in Backend}
    return Report(
        provenance=provenance,
        by_family=by_family,
        by_system=by_system,
        workloads=len(chosen),
        scores=scores(chosen),
        scores_by_system=scores(workloads(by_system)),
        scores_by_engine={
            backend: scores(of_engine) for backend, of_engine in engines.items() if len(of_engine) >= _FEWEST_WORKLOADS
        },
    )


def scores(chosen: Sequence[Workload]) -> Scores:
    """Return the score of every rule."""
    return {
        name: {objective: score(chosen, rule, objective) for objective in _OBJECTIVES} for name, rule in RULES.items()
    }
