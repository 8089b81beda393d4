"""What a thorough search works with: deployments of candidates, their measurement, and what both may take."""

import datetime as dt
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dgdr_api.formatting import significant
from dgdr_api.options import SearchOptions
from dgdr_api.trials import MeasuredPoint, TrialLog, TrialStatus
from dgdr_controller.profiler.measurement.benchmark import Rejected
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load
from dgdr_controller.profiler.measurement.kv_capacity import kv_tokens

_REPORT_S = 120.0
"""Seconds before the end of the Job at which a search ends: that deletes its pods, and with them what they say."""

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

    def ends(self) -> dt.datetime | None:
        """Return when Kubernetes ends the Job; None while nobody has said."""
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
        seconds: Its own time, over all pods; None: no limit.
    """

    until: float = math.inf
    gpu_hours: float | None = None
    seconds: float | None = None

    def of(self, options: SearchOptions) -> "Budget":
        """Return it as a request has it."""
        minutes, gpu_hours = options.measuring_minutes, options.measuring_gpu_hours
        return Budget(self.until, gpu_hours or self.gpu_hours, 60 * minutes if minutes else self.seconds)

    def left_s(self, log: TrialLog, ends: dt.datetime | None) -> float:
        """Return for how many seconds it may go on.

        Args:
            log: What it has taken.
            ends: When the Job is ended; what was measured is to be published before.
        """
        of_job = (ends - dt.datetime.now(dt.UTC)).total_seconds() - _REPORT_S if ends else math.inf
        own = self.seconds - log.seconds if self.seconds is not None else math.inf
        return min(self.until - time.monotonic(), of_job, own)

    def exhausted(self, log: TrialLog, ends: dt.datetime | None) -> str:
        """Say what is used up; empty while nothing is. Arguments as `left_s` has them."""
        if self.left_s(log, ends) <= 0:
            return "the time for measuring was used up"
        if self.gpu_hours is not None and log.gpu_hours >= self.gpu_hours:
            return f"the limit of {significant(self.gpu_hours)} GPU hours was reached"
        return ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a thorough search works with.

    Attributes:
        trials: Has trials deployed.
        measure: Measures them.
        kv_tokens: Says how many tokens the KV cache of a rank holds, by the URL of the deployment; None: not known.
    """

    trials: Trials
    measure: Measurer
    kv_tokens: Callable[[str], int | None] = kv_tokens
