"""What a search found: ``results.json``.

The schema is versioned by `SCHEMA`; a reader refuses a version that it does not know. Two runs on the same inputs
write the same bytes: there are no times in it.
"""

import math
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from dgdr_api.candidate import Candidate, Mode, Performance, with_drafts
from dgdr_api.curves import WorkerCurve
from dgdr_api.estimates import Chances, EstimateErrors
from dgdr_api.hardware import HardwareUsed
from dgdr_api.measurements import SiteCorrection
from dgdr_api.model import ApiModel
from dgdr_api.request_warnings import RequestWarning
from dgdr_api.v1beta1 import Backend, DgdrSpec, OptimizationType

SCHEMA: Literal["results.dgdr.nvidia.com/v1"] = "results.dgdr.nvidia.com/v1"

RESULTS_FILE = "results.json"


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
    autoscale: bool = False
    """The planner sets the number of workers as load comes and goes: the deployment starts with one of each role."""

    def is_met_by(self, performance: Performance) -> bool:
        """Say whether every target that the user wrote is met."""
        reached = (performance.ttft, self.ttft), (performance.itl, self.itl), (performance.e2e, self.e2e_latency)
        return all(value <= target.value for value, target in reached if target and target.explicit)

    def chance(self, chances: Chances) -> float | None:
        """Return how likely every target that the user wrote is met, 0 to 1; None where there is none or it is unknown.

        Errors of TTFT and ITL are taken as independent: on public measurements they correlate by 0.11.
        """
        pairs = (self.ttft, chances.ttft), (self.itl, chances.itl), (self.e2e_latency, chances.e2e)
        known = [found for target, found in pairs if target and target.explicit and found is not None]
        return math.prod(known) if known else None


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
    draft_tokens: int = 0
    """Tokens that were drafted in each step (speculative decoding); 0: none."""
    outcome: SearchOutcome
    message: str = ""
    """Why there is no candidate, or what failed."""
    candidates: int = 0
    """Distinct configurations found."""

    @property
    def title(self) -> str:
        """What was searched, in a few words."""
        return with_drafts(f"{self.backend} {self.mode}", self.draft_tokens)


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
    annotations: dict[str, str] | None = None
    """What v1alpha1 says of it beyond the spec."""
    spec: DgdrSpec


class ModelFacts(ApiModel):
    """What was found out about the model that decides how engines are started."""

    architecture: str = ""
    """Name of the class that engines load it with."""
    model_type: str = ""
    """What its config calls its kind."""
    takes_images: bool = False
    """Whether it has an encoder of images."""
    vision_layers: int = 0
    """Layers of that encoder, as far as its config tells."""
    vision_hidden: int = 0
    """Size of its residual stream."""
    own_code: bool = False
    """Whether its config names code of its own (``auto_map``)."""
    own_tokenizer: bool = False
    """Whether the config of its tokenizer does; nobody has looked where there is no model cache."""
    quantization: str | None = None
    """How its weights are quantised, as engines call it; empty: they are not; None: nobody has looked."""
    in_cache: bool | None = None
    """Whether the model cache holds it; None: there is none, or nobody has looked."""


class Results(ApiModel):
    """Everything that a search found; the content of ``results.json``."""

    schema_version: Literal["results.dgdr.nvidia.com/v1"] = SCHEMA
    request: RequestIdentity
    model: str
    """Id of the model that the engines load, as the simulator spells it."""
    model_facts: ModelFacts = ModelFacts()
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
    curves: tuple[WorkerCurve, ...] = ()
    """For the planner: how fast the workers of its candidates are at other loads."""
    estimate_errors: EstimateErrors | None = None
    """What the ranges and chances of candidates are read off; None where estimates are the simulator's own."""
    site_corrections: tuple[SiteCorrection, ...] = ()
    """By how much a site's own measurements change the estimates; empty: there are none."""
    provenance: Provenance

    @model_validator(mode="after")
    def _references_are_known(self) -> Self:
        ids = {candidate.id for candidate in self.candidates}
        unknown = {*self.pareto, *([self.selected] if self.selected else [])} - ids
        if unknown:
            raise ValueError(f"no candidate has the id {', '.join(sorted(unknown))}")
        rows = {candidate.uncertainty.row for candidate in self.candidates if candidate.uncertainty}
        missing = rows - set(self.estimate_errors.rows if self.estimate_errors else ())
        if missing:
            raise ValueError(f"estimateErrors has no row {', '.join(sorted(missing))}")
        return self

    @property
    def choice(self) -> Candidate | None:
        """The chosen candidate."""
        return next((candidate for candidate in self.candidates if candidate.id == self.selected), None)
