"""What one simulator process is asked, and what it answers: plain values that cross a process border."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dgdr_api.candidate import KvCacheDtype, Mode, Role, with_drafts
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.deployment.render.releases import NEWEST, Release
from dgdr_controller.profiler.calibration import Calibration

ENGINES = (Backend.VLLM, Backend.SGLANG, Backend.TRTLLM)
"""Every concrete backend, in the order in which they are searched and listed."""

Row = Mapping[str, Any]
"""One line of the simulator's table, columns as it names them."""

SHAPE = ("tp", "pp", "dp", "moe_tp", "moe_ep", "cp")
"""The columns that are a worker's parallelism."""


def shape_of(row: Row) -> tuple[int, ...]:
    """Return what tells workers of different parallelism apart."""
    return tuple(row[key] for key in SHAPE)


@dataclass(frozen=True, slots=True)
class Search:
    """The search of one engine in one mode. Targets are no part of it: they choose among what is found.

    Attributes:
        model: What the simulator loads: an id of its own, or a folder.
        system: The simulator's name of the GPU system.
        total_gpus: The budget.
        nodes: What the nodes allow.
        kv_heads: KV heads of the model; None where its cache has no heads.
        usable_gib: Memory of one GPU that an engine may use.
        isl: Mean input length in tokens.
        osl: Mean output length in tokens.
        request_rate: Requests per second to be served, or None.
        concurrency: Requests at a time to be served, or None.
        engine_gpus: Fewest and most GPUs of an engine; None: the budget.
        context_length: The longest sequence that engines are to be started for; None: as much as fits.
        draft_tokens: Tokens that the model's own layers draft in each step; 0: no speculative decoding.
        kv_cache_dtype: Number format of the KV cache; None: the simulator's for the checkpoint.
        autoscale: Whether a replica is one worker of each role, whose counts the planner changes later.
        facts: What else is known of the model.
        release: The release of Dynamo whose engine runs.
        limits_version: Version of the engine, where it is estimated from the limits of the GPU; None: from measured
            data.
        calibration: Corrects the estimates; None: they are taken as they are.
    """

    model: str
    system: str
    backend: Backend
    mode: Mode
    total_gpus: int
    nodes: Nodes
    usable_gib: float
    kv_heads: int | None
    isl: int
    osl: int
    request_rate: float | None = None
    concurrency: float | None = None
    context_length: int | None = None
    draft_tokens: int = 0
    kv_cache_dtype: KvCacheDtype | None = None
    autoscale: bool = False
    engine_gpus: tuple[int, int | None] = (1, None)
    limits_version: str | None = None
    facts: ModelFacts = field(default_factory=ModelFacts)
    release: Release = NEWEST
    calibration: Calibration | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        """What is searched, in a few words."""
        return with_drafts(f"{self.backend} {self.mode}", self.draft_tokens)

    def may_have(self, gpus: int) -> bool:
        """Say whether an engine may have so many GPUs."""
        fewest, most = self.engine_gpus
        return fewest <= gpus <= (self.total_gpus if most is None else most)


def _never(_prefill: Row, _decode: Row) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Workers:
    """Estimates of single workers, one row for each parallelism and operating point that fits in memory.

    Attributes:
        rows: By role; empty: there is no replica.
        reason: Why there is none, or what is missing.
        same_tp: Whether this prefill and this decode worker must have the same TP to exchange keys and values.
    """

    rows: Mapping[Role, list[Row]]
    reason: str = ""
    same_tp: Callable[[Row, Row], bool] = _never


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: rows, possibly none, and why there are none or some are missing."""

    rows: list[Row]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the simulator knows of a request before any search.

    Attributes:
        engine: Name of the simulator.
        engine_version: Its version.
        simulated_as: What it loads for this model: an id of its own, or the folder that it was asked about; None: it
            cannot.
        content: The model's config, where it is one that the simulator brings along.
        reason: Why it cannot simulate the model of a folder.
        similar: Known models with a similar name, best first.
        databases: Version of the performance data for each backend that has some for the system.
        limits: Version of each backend that can be estimated from the limits of the GPU alone: all of them on a system
            of which the simulator has a specification and no measured data, else none. An engine that lacks data on a
            system where another one has some is not estimated so: the two would be compared, and limits flatter.
    """

    engine: str
    engine_version: str
    simulated_as: str | None
    content: Mapping[str, Any] | None
    reason: str
    similar: tuple[str, ...]
    databases: Mapping[Backend, str]
    limits: Mapping[Backend, str] = field(default_factory=dict)

    @property
    def estimable(self) -> Mapping[Backend, str]:
        """Version of each backend that is searched: those with measured data; by limits only where none has any."""
        return self.databases or self.limits
