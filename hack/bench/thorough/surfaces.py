"""Deployments whose true performance is known: estimates, distorted as measurements differ from them.

Published measurements differ from corrected estimates by 20 to 40 % in ITL and by −70 to +60 % in TTFT; partly by the
same factor for an engine, a mode or a parallelism, partly more at some loads than at others.
"""

import math
import random
from dataclasses import dataclass

from dgdr_api.candidate import Candidate, Performance, Source
from dgdr_api.results import Goal
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.options import Option, performance_of
from dgdr_controller.profiler.selection.scaling import scale

_ROUNDS = 10
"""Requests that are measured for each one in flight."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Between which factors the truth is drawn, by what shares the factor.

    Attributes:
        kind: Of an engine and mode.
        shape: Of a parallelism.
        option: Of a deployment.
        bend: Of a parallelism at its largest load; the inverse at its smallest.
    """

    kind: tuple[float, float]
    shape: tuple[float, float]
    option: tuple[float, float]
    bend: tuple[float, float]


TTFT = Spread(kind=(0.55, 1.3), shape=(0.6, 1.25), option=(0.9, 1.1), bend=(0.8, 1.25))
ITL = Spread(kind=(0.85, 1.2), shape=(0.85, 1.2), option=(0.96, 1.04), bend=(0.89, 1.125))
NOISE = 0.02
"""Standard deviation of a measurement."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What deployments truly do.

    Attributes:
        options: What can be deployed.
        goal: What is wanted.
        budget: GPUs.
        seed: Another one, another truth.
        ttft: How TTFT differs from its estimate.
        itl: How ITL does.
        noise: Standard deviation of a measurement.
    """

    options: tuple[Option, ...]
    goal: Goal
    budget: int
    seed: int
    ttft: Spread = TTFT
    itl: Spread = ITL
    noise: float = NOISE

    def true(self, option: Option, load: int) -> Performance:
        """Return what one replica does at a load."""
        estimate = option.estimate(load)
        full = self._draw("full", option.shape).uniform(0.5, 1.3) * option.most
        queue = 1 + self._draw("queue", option.shape).uniform(0, 2) * max(0.0, load / full - 1)
        return performance_of(
            load,
            estimate.ttft * self._factor("ttft", self.ttft, option, load) * queue,
            estimate.itl * self._factor("itl", self.itl, option, load),
            self.goal.osl,
            option.trial.gpus,
        )

    def row(self, option: Option, load: int) -> Candidate:
        """Return the deployment that is started for a load, with the replicas that are wanted and its true numbers."""
        found = option.at(load, self.true(option, load)).model_copy(update={"source": Source.MEASURED})
        return scale(found, self.goal, self.budget)

    def measure(self, option: Option, load: int, run: int) -> MeasuredPoint:
        """Return what a measurement says: each run something else."""
        true, draw = self.true(option, load), self._draw("noise", option.trial.id, load, run)
        ttft, itl = (value * math.exp(draw.gauss(0, self.noise)) for value in (true.ttft, true.itl))
        seen = performance_of(load, ttft, itl, self.goal.osl, option.trial.gpus)
        return MeasuredPoint(
            trial=option.trial.id,
            concurrency=load,
            ttft=ttft,
            itl=itl,
            tokens_per_s=seen.tokens_per_s,
            request_rate=seen.request_rate,
            requests=load * _ROUNDS,
            seconds=_ROUNDS * seen.e2e / 1000,
        )

    def _factor(self, name: str, spread: Spread, option: Option, load: int) -> float:
        of_kind = _log_uniform(self._draw(name, "kind", option.kind), spread.kind)
        of_shape = _log_uniform(self._draw(name, "shape", option.kind, option.shape), spread.shape)
        of_option = _log_uniform(self._draw(name, "option", option.trial.id), spread.option)
        bend = _log_uniform(self._draw(name, "bend", option.kind, option.shape), spread.bend)
        position = 2 * math.log(load) / math.log(max(2, option.most)) - 1
        return float(of_kind * of_shape * of_option * bend**position)

    def _draw(self, *names: object) -> random.Random:
        """Return random numbers that depend on the seed and on what they are for, never on the order of questions."""
        return random.Random(repr((self.seed, *map(str, names))))  # noqa: S311 - a simulation


def _log_uniform(draw: random.Random, between: tuple[float, float]) -> float:
    low, high = between
    return math.exp(draw.uniform(math.log(low), math.log(high)))
