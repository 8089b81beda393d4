"""Where trials are deployed and measured: on a surface, and later on a cluster."""

from collections.abc import Sequence
from typing import Protocol

from dgdr_api.candidate import Candidate
from dgdr_api.trials import MeasuredPoint
from dgdr_controller.profiler.measurement.options import Option
from hack.bench.thorough.surfaces import Surface

DEPLOY_S = 240.0
"""Seconds until a model serves: image and weights are on the node, engines load and warm up."""
START_S = 15.0
"""Seconds that a measurement takes beside its requests."""


class Trials(Protocol):
    """What a search needs of a cluster."""

    def keep(self, wanted: Sequence[Candidate]) -> None:
        """Deploy these trials, and take down all others."""
        ...

    def measure(self, option: Option, load: int) -> MeasuredPoint:
        """Wait until a trial serves, and measure it.

        Args:
            option: A trial that is kept.
            load: Requests in flight.
        """
        ...

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        ...

    @property
    def deployed(self) -> frozenset[str]:
        """Every trial that was deployed, by its id."""
        ...


class SimulatedTrials:
    """Trials on a surface. Several are deployed at once; measurements follow each other.

    Args:
        surface: What they do.
    """

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._now = 0.0
        self._ready: dict[str, float] = {}
        self._deployed: set[str] = set()
        self._runs: dict[tuple[str, int], int] = {}

    def keep(self, wanted: Sequence[Candidate]) -> None:
        """Deploy these trials, and take down all others."""
        if (gpus := sum(trial.gpus for trial in wanted)) > self._surface.budget:
            raise ValueError(f"{gpus} GPUs are wanted at once; the budget is {self._surface.budget}")
        ids = [trial.id for trial in wanted]
        self._ready = {trial: self._ready.get(trial, self._now + DEPLOY_S) for trial in ids}
        self._deployed.update(ids)

    def measure(self, option: Option, load: int) -> MeasuredPoint:
        """Wait until a trial serves, and measure it."""
        key = option.trial.id, load
        self._runs[key] = self._runs.get(key, 0) + 1
        point = self._surface.measure(option, load, self._runs[key])
        self._now = max(self._now, self._ready[option.trial.id]) + START_S + point.seconds
        return point

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return self._now

    @property
    def deployed(self) -> frozenset[str]:
        """Every trial that was deployed, by its id."""
        return frozenset(self._deployed)
