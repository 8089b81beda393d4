"""What a thorough search works with: deployments of candidates, their measurement, and what both may take."""

import math
import time
from dataclasses import dataclass
from typing import Protocol

from dgdr_api.formatting import significant
from dgdr_api.options import SearchOptions
from dgdr_api.trials import MeasuredPoint, TrialLog, TrialStatus
from dgdr_controller.profiler.measurement.benchmark import Rejected
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load

Found = MeasuredPoint | Rejected


class Trials(Protocol):
    """Has trials deployed; see `measurement.trial_files.TrialFiles`."""

    def earlier(self) -> TrialLog | None:
        """Return what was measured before an interruption."""
        ...

    def update(self, log: TrialLog) -> None:
        """Say what is wanted and known."""
        ...

    def status(self, trial: str) -> TrialStatus:
        """Return how far a trial is."""
        ...


class Measurer(Protocol):
    """Measures an endpoint; see `measurement.benchmark.measure`."""

    def __call__(self, endpoint: Endpoint, load: Load, *, trial: str, seed: int, deadline_s: float) -> Found:
        """Return what was measured, or why that does not count.

        Args:
            endpoint: The endpoint.
            load: The load.
            trial: Id of the candidate that is deployed there.
            seed: Decides the prompts.
            deadline_s: When to give up.
        """
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may take.

    Attributes:
        until: Monotonic time at which it must have ended.
        gpu_hours: GPU hours of its deployments; None: no limit.
    """

    until: float = math.inf
    gpu_hours: float | None = None

    def of(self, options: SearchOptions) -> "Budget":
        """Return it as a request has it."""
        minutes, gpu_hours = options.measuring_minutes, options.measuring_gpu_hours
        until = time.monotonic() + 60 * minutes if minutes else math.inf
        return Budget(min(until, self.until), gpu_hours or self.gpu_hours)

    def exhausted(self, gpu_hours: float) -> str:
        """Say what is used up; empty while nothing is."""
        if time.monotonic() >= self.until:
            return "the time for measuring was used up"
        if self.gpu_hours is not None and gpu_hours >= self.gpu_hours:
            return f"the limit of {significant(self.gpu_hours)} GPU hours was reached"
        return ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a thorough search works with.

    Attributes:
        trials: Has trials deployed.
        measure: Measures them.
    """

    trials: Trials
    measure: Measurer
