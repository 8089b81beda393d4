"""A candidate: one way to serve the model, with the numbers that speak for or against it.

Rapid, thorough and naive searches produce candidates; selection, rendering, status and reports consume them. GPU
counts are derived from the parallelism, never taken from elsewhere, so that they cannot disagree with it.
Units: ms, tokens/s, requests/s, GiB. Numbers are those of the whole candidate (all replicas) unless they say
otherwise.
"""

import hashlib
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dgdr_api.estimates import Uncertainty
from dgdr_api.model import ApiModel
from dgdr_api.v1beta1 import Backend


class Mode(StrEnum):
    """Whether one engine does both phases of a request, or prefill and decode have engines of their own."""

    AGGREGATED = "aggregated"
    DISAGGREGATED = "disaggregated"


class Role(StrEnum):
    """What a worker does."""

    AGGREGATED = "aggregated"
    PREFILL = "prefill"
    DECODE = "decode"


class Source(StrEnum):
    """Where the numbers of a candidate come from."""

    SILICON = "silicon"
    """Simulated from kernel times that were measured on this GPU."""
    EMPIRICAL = "empirical"
    """Simulated from scaled or analytical kernel times: of a GPU without measured data, from its limits."""
    MIXED = "mixed"
    """Simulated from both."""
    MEASURED = "measured"
    """Measured on a real deployment."""
    NAIVE = "naive"
    """From memory fit alone: no performance is known."""


class Outcome(StrEnum):
    """What became of a candidate."""

    SELECTED = "selected"
    ALTERNATIVE = "alternative"
    """Feasible and on the Pareto front: better than the selected one in something."""
    DOMINATED = "dominated"
    """Feasible, but another candidate is at least as good in everything."""
    MISSES_TARGET = "misses-target"
    DOES_NOT_FIT = "does-not-fit"
    OVER_BUDGET = "over-budget"
    NOT_RENDERABLE = "not-renderable"
    NOT_MEASURED = "not-measured"
    """Left out of a thorough search, by its estimate or for lack of time; it can be deployed all the same."""
    FAILED_TRIAL = "failed-trial"
    """Deployed by a thorough search, and did not serve."""


_NOT_OFFERED = (Outcome.DOES_NOT_FIT, Outcome.OVER_BUDGET, Outcome.NOT_RENDERABLE, Outcome.FAILED_TRIAL)


class KvCacheDtype(StrEnum):
    """Number format of the KV cache; auto is the model's own."""

    AUTO = "auto"
    FP8 = "fp8"


class Parallelism(ApiModel):
    """How one worker's engine is spread over GPUs: sizes of the parallel groups, each at least 1."""

    tp: int = Field(default=1, ge=1)
    """Tensor parallel size (of attention, in a mixture-of-experts model)."""
    pp: int = Field(default=1, ge=1)
    """Pipeline parallel size."""
    dp: int = Field(default=1, ge=1)
    """Data parallel size of attention."""
    moe_tp: int = Field(default=1, ge=1)
    """Tensor parallel size of the experts."""
    moe_ep: int = Field(default=1, ge=1)
    """Expert parallel size."""
    cp: int = Field(default=1, ge=1)
    """Context parallel size of prefill."""

    @property
    def gpus(self) -> int:
        """GPUs of one worker: tp · pp · dp · cp. Experts use the same GPUs (moe_tp · moe_ep = tp · dp · cp)."""
        return self.tp * self.pp * self.dp * self.cp

    def __str__(self) -> str:
        sizes = {name: getattr(self, name) for name in ("pp", "dp", "moe_tp", "moe_ep", "cp")}
        return " ".join([f"tp{self.tp}", *(f"{name}{size}" for name, size in sizes.items() if size > 1)])


class Worker(ApiModel):
    """The workers of one role in one replica: identical engines."""

    role: Role
    parallelism: Parallelism
    count: int = Field(ge=1)
    """Workers of this role in one replica."""
    batch: int = Field(ge=1)
    """Requests that one engine works on at once (per attention data-parallel rank)."""
    max_num_tokens: int = Field(ge=1)
    """Tokens that one engine step may take in at most, prefill chunk and running decodes together."""
    kv_cache_dtype: KvCacheDtype = KvCacheDtype.AUTO
    """Number format of the KV cache that the numbers are for."""
    memory_gib: float | None = Field(default=None, ge=0)
    """Memory needed on each GPU in GiB, as estimated."""
    request_rate: float | None = Field(default=None, gt=0)
    """Requests per second that one of these workers keeps up with by itself."""

    @property
    def gpus(self) -> int:
        """GPUs of all workers of this role in one replica."""
        return self.count * self.parallelism.gpus


class Performance(ApiModel):
    """What a candidate delivers at its concurrency."""

    ttft: float = Field(ge=0)
    """Time to first token in ms."""
    itl: float = Field(ge=0)
    """Inter-token latency in ms (0 for an output of one token)."""
    e2e: float = Field(ge=0)
    """Latency of a whole request in ms: ttft + itl · (osl - 1)."""
    tokens_per_s: float = Field(ge=0)
    """Output tokens per second of all replicas."""
    tokens_per_s_per_gpu: float = Field(ge=0)
    """Output tokens per second for each GPU that is used."""
    tokens_per_s_per_user: float = Field(ge=0)
    """Output tokens per second that one user sees while decoding."""
    concurrency: float = Field(ge=0)
    """Requests in flight over all replicas."""
    request_rate: float = Field(ge=0)
    """Requests per second over all replicas."""

    def scaled(self, factor: float) -> Self:
        """Return it with so many times the replicas."""
        return self.model_copy(update={name: getattr(self, name) * factor for name in _TOTALS})


_TOTALS = ("tokens_per_s", "concurrency", "request_rate")
"""Fields of `Performance` that grow with the replicas."""


class Samples(ApiModel):
    """What a measured performance rests on."""

    requests: int = Field(ge=1)
    """Requests that were measured."""
    runs: int = Field(ge=1)
    """Times that they were measured; the performance is the median."""
    spread: float = Field(ge=0)
    """Difference between the fastest and the slowest run, as a share of the median tokens/s."""


class Verdict(ApiModel):
    """What became of a candidate, and why in one sentence."""

    outcome: Outcome
    reason: str


class Candidate(ApiModel):
    """One way to serve the model. See the module's docstring for units."""

    id: str = ""
    """Stable name: backend, mode and a hash of the configuration; made from the rest, do not set."""
    backend: Backend
    """The engine, never auto."""
    backend_version: str
    """Version of the engine that the numbers are for."""
    mode: Mode
    workers: tuple[Worker, ...] = Field(min_length=1, max_length=2)
    """Aggregated: one entry. Disaggregated: prefill, then decode."""
    replicas: int = Field(ge=1)
    """Copies of the group of workers."""
    gpus_per_replica: int = 0
    """GPUs of one replica; made from the workers."""
    gpus: int = 0
    """GPUs of all replicas; made from the workers."""
    context_length: int = Field(ge=1)
    """Longest sequence in tokens that the engines are started for."""
    draft_tokens: int = Field(default=0, ge=0)
    """Tokens that the model's own layers draft in each step (speculative decoding); 0: none."""
    performance: Performance | None = None
    """Measured, or the simulator's estimate, corrected by measurements where there is a table of its errors. None:
    nothing is known but that it fits (source *naive*)."""
    simulated: Performance | None = None
    """What the simulator itself says; None where `performance` is that, or nothing was simulated."""
    uncertainty: Uncertainty | None = None
    """How uncertain `performance` is; None: unknown."""
    samples: Samples | None = None
    """What was measured; None: nothing was."""
    source: Source
    verdict: Verdict | None = None
    """None until judged."""

    @model_validator(mode="after")
    def _derive(self) -> Self:
        expected = {
            Mode.AGGREGATED: (Role.AGGREGATED,),
            Mode.DISAGGREGATED: (Role.PREFILL, Role.DECODE),
        }[self.mode]
        if tuple(worker.role for worker in self.workers) != expected:
            raise ValueError(f"{self.mode} candidate needs workers of roles {', '.join(expected)}, in this order")
        if self.backend is Backend.AUTO:
            raise ValueError("a candidate has a concrete backend")
        per_replica = sum(worker.gpus for worker in self.workers)
        derived = {
            "gpus_per_replica": per_replica,
            "gpus": per_replica * self.replicas,
            "id": self._make_id(),
        }
        # Whatever was read for these is replaced: a row gets its id and counts from its own parallelism.
        for name, value in derived.items():
            object.__setattr__(self, name, value)  # the model is frozen from here on
        return self

    def _make_id(self) -> str:
        short = {Mode.AGGREGATED: "agg", Mode.DISAGGREGATED: "disagg"}[self.mode]
        digest = hashlib.sha256(repr(self.configuration).encode()).hexdigest()[:10]
        return f"{self.backend}-{short}-{digest}"

    @property
    def is_offered(self) -> bool:
        """Whether it can be deployed, as far as it has been judged."""
        return self.verdict is None or self.verdict.outcome not in _NOT_OFFERED

    @property
    def configuration(self) -> tuple[object, ...]:
        """Everything that changes what is deployed, and nothing else: equal configurations render alike."""
        workers = tuple(
            (w.role.value, str(w.parallelism), w.count, w.batch, w.max_num_tokens, w.kv_cache_dtype.value)
            for w in self.workers
        )
        drafts = (self.draft_tokens,) if self.draft_tokens else ()
        return (self.backend.value, self.mode.value, workers, self.replicas, self.context_length, *drafts)

    def scaled(self, replicas: int) -> "Candidate":
        """Return the same group of workers this many times, with the totals that this gives."""
        factor = replicas / self.replicas
        numbers = {
            "performance": self.performance and self.performance.scaled(factor),
            "simulated": self.simulated and self.simulated.scaled(factor),
        }
        return Candidate.model_validate({**dict(self), **numbers, "replicas": replicas})

    @property
    def numbers(self) -> Performance:
        """What it delivers, where that is known.

        Raises:
            ValueError: It is not: a candidate by memory fit alone is not compared with others.
        """
        if self.performance is None:
            raise ValueError(f"nothing is known of the performance of candidate {self.id}")
        return self.performance

    @property
    def shape(self) -> str:
        """The parallelism in a few words, for example ``2 × tp4`` or ``4 × tp1 prefill + 1 × tp4 decode``."""
        if self.mode is Mode.AGGREGATED:
            return with_drafts(f"{self.replicas} × {self.workers[0].parallelism}", self.draft_tokens)
        parts = (f"{w.count * self.replicas} × {w.parallelism} {w.role}" for w in self.workers)
        return with_drafts(" + ".join(parts), self.draft_tokens)


def with_drafts(text: str, draft_tokens: int) -> str:
    """Return a few words about engines, with the tokens that they draft in each step, if any."""
    return f"{text}, {draft_tokens} draft token{'s' if draft_tokens > 1 else ''}" if draft_tokens else text
