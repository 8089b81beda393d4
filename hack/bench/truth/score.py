"""Scores picks by what was measured."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from dgdr_api.v1beta1 import OptimizationType
from hack.bench.truth.options import Workload
from hack.bench.truth.rules import Rule


@dataclass(frozen=True, slots=True)
class Score:
    """How good picks are, on average.

    Attributes:
        goals: Sets of targets that were picked for.
        hit: Share of the picks that truly meet the targets.
        loss: Share of the best value that is lost, a missed target counting as all of it.
        regret: The same of the picks that meet the targets.
        error: Standard error of the loss, by how it differs between workloads.
    """

    goals: int
    hit: float
    loss: float
    regret: float
    error: float


def score(workloads: Sequence[Workload], rule: Rule, objective: OptimizationType) -> Score:
    """Return how good a rule's picks are."""
    hits: list[float] = []
    worths: list[float] = []
    kept: list[float] = []
    means: list[float] = []
    for workload in workloads:
        before = len(worths)
        for wanted in workload.goals(objective):
            best = max(option.value(objective) for option in workload.options if option.meets(wanted))
            picks = rule(workload.options, wanted)
            met = [pick for pick in picks if pick.meets(wanted)]
            hits.append(len(met) / len(picks))
            worths.append(sum(pick.value(objective) for pick in met) / best / len(picks))
            kept += [pick.value(objective) / best for pick in met]
        means.append(fmean(worths[before:]))
    middle = fmean(means)
    error = math.sqrt(sum((mean - middle) ** 2 for mean in means) / (len(means) - 1) / len(means))
    return Score(len(worths), fmean(hits), 1 - fmean(worths), 1 - fmean(kept), error)
