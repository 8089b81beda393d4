"""What the profiler hands over: exit codes and ``results.json``.

The schema is versioned by `SCHEMA`; a reader refuses a version that it does not know. Two runs on the same inputs
write the same bytes: there are no times in it.
"""

from enum import IntEnum, StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.conditions import RequestWarning
from dgdr_api.model import ApiModel
from dgdr_api.v1beta1 import Backend, DgdrSpec, OptimizationType

SCHEMA: Literal["results.dgdr.nvidia.com/v1"] = "results.dgdr.nvidia.com/v1"


class ExitCode(IntEnum):
    """How the profiler ends; 2 is left to the command line's own errors."""

    RESULT = 0
    """A result was written, warnings included."""
    REQUEST_WRONG = 65
    """The user must change the request."""
    NOT_DEPLOYABLE = 69
    """No configuration can be deployed; each candidate says why."""
    INTERNAL = 70
    """An error of ours."""
    INTERRUPTED = 75
    """Interrupted, or a fault that may pass; can be run again."""


class ValueSource(StrEnum):
    """Who said what the hardware is."""

    SPEC = "spec"
    COMMAND_LINE = "command-line"
    SKU_TABLE = "sku-table"


class Resolved(ApiModel):
    """A property of the hardware and who said so."""

    value: int
    source: ValueSource


class HardwareUsed(ApiModel):
    """The hardware that the search was run for."""

    gpu_sku: str
    """SKU, canonical name."""
    gpu_sku_source: ValueSource
    total_gpus: Resolved
    """GPUs that may be used: the budget."""
    num_gpus_per_node: Resolved
    """GPUs of one node."""
    vram_mib: Resolved
    """Memory of one GPU in MiB."""


class Target(ApiModel):
    """A latency target."""

    value: float
    """In ms."""
    explicit: bool
    """Whether the user wrote it; otherwise it is a default and a preference only."""


class Goal(ApiModel):
    """What the candidates were judged by."""

    isl: int
    osl: int
    ttft: Target | None = None
    itl: Target | None = None
    e2e_latency: Target | None = None
    objective: OptimizationType
    concurrency: float | None = None
    request_rate: float | None = None


class SearchOutcome(StrEnum):
    """How the search of one engine and mode ended."""

    FOUND = "found"
    NO_CANDIDATE = "no-candidate"
    """It ran to its end: nothing fits or nothing is supported."""
    FAILED = "failed"
    """It crashed or took too long: more may have been there."""


class SearchReport(ApiModel):
    """What became of the search of one engine and mode."""

    backend: Backend
    mode: Mode
    outcome: SearchOutcome
    message: str = ""
    """Why there is no candidate, or what failed."""
    candidates: int = 0
    """Distinct configurations found."""


class Provenance(ApiModel):
    """Where the numbers come from."""

    engine: str
    """Program that made them."""
    engine_version: str
    perf_database: dict[str, str]
    """Version of the performance data for each backend."""
    mode: Literal["rapid", "thorough", "naive"]
    notes: tuple[str, ...] = ()
    """What a reader of the numbers should know."""


class RequestIdentity(ApiModel):
    """The request that the results answer."""

    name: str
    namespace: str | None = None
    spec: DgdrSpec


class Results(ApiModel):
    """Everything that a search found; the content of ``results.json``."""

    schema_version: Literal["results.dgdr.nvidia.com/v1"] = SCHEMA
    request: RequestIdentity
    model: str
    """Id of the model that the engines load, as the simulator spells it."""
    goal: Goal
    hardware: HardwareUsed
    candidates: tuple[Candidate, ...]
    """Every candidate with verdict and reason; the selected one first, then the front, then the losers."""
    pareto: tuple[str, ...]
    """Ids of the non-dominated candidates, by falling tokens/s/GPU."""
    selected: str | None = Field(default=None)
    """Id of the chosen candidate; None when nothing can be deployed."""
    warnings: tuple[RequestWarning, ...] = ()
    searches: tuple[SearchReport, ...] = ()
    provenance: Provenance

    @model_validator(mode="after")
    def _ids_are_known(self) -> Self:
        ids = {candidate.id for candidate in self.candidates}
        unknown = {*self.pareto, *([self.selected] if self.selected else [])} - ids
        if unknown:
            raise ValueError(f"no candidate has the id {', '.join(sorted(unknown))}")
        return self

    @property
    def choice(self) -> Candidate | None:
        """The chosen candidate."""
        return next((candidate for candidate in self.candidates if candidate.id == self.selected), None)
