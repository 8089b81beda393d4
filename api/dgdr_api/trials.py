"""Trials: configurations that a thorough search deploys and measures.

The profiler decides what is to be deployed and keeps what it has measured (`TrialLog`); the controller deploys it and
says how far that is (`TrialStatus`). Both travel through the output's ConfigMap, so that a restarted Job goes on.
Numbers are those of one deployed trial, which is one replica of its candidate. Units: ms, tokens/s, requests/s.
"""

import datetime as dt
from enum import StrEnum

from pydantic import ConfigDict, Field

from dgdr_api.candidate import Candidate, Role
from dgdr_api.model import ApiModel
from dgdr_api.results import ModelFacts

MOST_TRIALS = 64
"""Trials that may be wanted at a time."""
MOST_POINTS = 1000
"""Points of one search."""


class _Exchanged(ApiModel):
    """What profiler and controller tell each other, who may be of different releases: what is not known is skipped."""

    model_config = ConfigDict(extra="ignore")


class MeasuredPoint(_Exchanged):
    """What a trial did at one load: a measurement that was accepted."""

    trial: str
    """Id of the candidate that was deployed."""
    concurrency: int = Field(ge=1)
    """Requests in flight."""
    ttft: float = Field(gt=0)
    """Mean time to first token in ms."""
    itl: float = Field(ge=0)
    """Mean time between tokens in ms; 0 for an output of one token."""
    tokens_per_s: float = Field(gt=0)
    """Output tokens per second."""
    request_rate: float = Field(gt=0)
    """Requests per second."""
    requests: int = Field(ge=1)
    """Requests that were measured, over all runs."""
    runs: int = Field(default=1, ge=1)
    """Times that the load was measured; the numbers are medians over them."""
    spread: float = Field(default=0.0, ge=0)
    """Difference between the fastest and the slowest run, as a share of the median tokens/s; 0 for one run."""
    seconds: float = Field(default=0.0, ge=0)
    """How long it took."""


class CurvePoint(MeasuredPoint):
    """What a trial did at lengths and a load that tell something of one role's workers."""

    role: Role
    """Whose curve it is of."""
    isl: int = Field(ge=1)
    """Input tokens of each request."""
    osl: int = Field(ge=1)
    """Output tokens of each."""


class FailedTrial(_Exchanged):
    """A trial that could not be measured, or not any more."""

    trial: str
    """Id of the candidate."""
    reason: str = Field(max_length=2000)
    """Why, in a sentence."""
    without_gpus: bool = False
    """Whether nothing is wrong with it: its GPUs were not free."""


class RejectedPoint(_Exchanged):
    """A measurement that does not count."""

    trial: str
    """Id of the candidate that was deployed."""
    concurrency: int = Field(ge=1)
    """Requests in flight."""
    reason: str = Field(max_length=2000)
    """Why, in a sentence."""


class TrialLog(_Exchanged):
    """What a search wants and knows: the content of ``trials.json``, which the profiler writes."""

    model: str = ""
    """Id of the model that the engines load, as the simulator spells it."""
    model_facts: ModelFacts = ModelFacts()
    """What was found out about the model that decides how engines are started."""
    gpu_hours: float = Field(default=0.0, ge=0)
    """GPU hours that its deployments have taken."""
    wanted: tuple[Candidate, ...] = Field(default=(), max_length=MOST_TRIALS)
    """What is to be deployed now, one replica each, the most urgent first. What is not listed is taken down."""
    points: tuple[MeasuredPoint, ...] = Field(default=(), max_length=MOST_POINTS)
    """What was measured, in its order."""
    curve_points: tuple[CurvePoint, ...] = Field(default=(), max_length=MOST_POINTS)
    """What was measured for the planner's curves."""
    curve_attempts: tuple[str, ...] = Field(default=(), max_length=MOST_POINTS)
    """Loads of curves that were tried and not measured, the one that is being measured among them."""
    failed: tuple[FailedTrial, ...] = Field(default=(), max_length=MOST_POINTS)
    """What could not be."""
    rejected: tuple[RejectedPoint, ...] = Field(default=(), max_length=MOST_POINTS)
    """Measurements that do not count. The one that is being made is among them: it may end the profiler."""
    seconds: float = Field(default=0.0, ge=0)
    """How long the search has taken, without the time between two pods."""


class TrialState(StrEnum):
    """How far the deployment of a trial is."""

    WAITING = "waiting"
    """Not deployed yet, or without GPUs: others use them."""
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    """It will not serve: its message says why."""


class TrialStatus(_Exchanged):
    """How far the deployment of a trial is, as the controller says."""

    state: TrialState
    endpoint: str = ""
    """URL of its frontend, once it is ready."""
    deployment: str = ""
    """What was created, as YAML, once it is ready."""
    message: str = ""
    """What it waits for, or why it has failed."""
    since: dt.datetime | None = None
    """When it has come into this state."""


class TrialReport(_Exchanged):
    """What the controller and an earlier pod of the Job have left for the profiler: the content of ``report.json``."""

    trials: dict[str, TrialStatus] = Field(default_factory=dict)
    """By id of the candidate."""
    ends: dt.datetime | None = None
    """When Kubernetes ends the Job."""
    earlier: TrialLog | None = None
    """What an earlier pod has measured; None: there was none."""
