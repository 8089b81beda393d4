"""From a row of AIC's table to a candidate: what each column means, in one place.

A row describes one replica; an aggregated row has plain names, a disaggregated one the prefixes ``(p)`` and ``(d)``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration import Calibration
from dgdr_controller.profiler.context import longest_request
from dgdr_controller.profiler.model.config import ModelConfig
from dgdr_controller.profiler.model.memory import USABLE_VRAM, kv_bytes_per_token
from dgdr_controller.profiler.simulation.messages import Row, Search
from dgdr_controller.profiler.simulation.operating_points import LONGEST_STEP, STEP_MULTIPLE
from dgdr_controller.profiler.simulation.steps import simulated

PROMPT_MARGIN_TOKENS = 1500
"""Tokens of one engine step beyond the mean prompt, for chat templates and longer prompts (AIC's generator)."""

DECODE_STEP_TOKENS = 512
"""Least tokens of one step of a decode worker, as AIC assumes (``decode_max_num_tokens``)."""

_MODES = {
    Mode.AGGREGATED: {Role.AGGREGATED: ""},
    Mode.DISAGGREGATED: {Role.PREFILL: "(p)", Role.DECODE: "(d)"},
}


_OTHER_CACHES = 1.25
"""Caches that hold more than keys and values, an indexer's for example, count so much more."""


_WITH_BUFFER = 2
"""TensorRT-LLM allocates a buffer for the transfer of the longest sequence beside its KV cache."""


class _WorkerColumns(BaseModel):
    """One role's columns, prefix removed."""

    model_config = ConfigDict(extra="ignore")

    tp: int
    pp: int
    dp: int
    moe_tp: int
    moe_ep: int
    cp: int = 1
    bs: int
    workers: int = 1
    memory: float
    kvcache: str
    request_rate: float | None = None


class _RowColumns(BaseModel):
    """The columns of a whole row."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    ttft: float = Field(gt=0)
    tpot: float = Field(ge=0)
    request_rate: float = Field(gt=0)
    concurrency: float = Field(gt=0)
    num_total_gpus: int
    ctx_tokens: int = 0
    sources: list[str] = []


@dataclass(frozen=True, slots=True)
class Reading:
    """Candidates read from rows (one replica each), and how many rows were dropped for which reason."""

    candidates: list[Candidate]
    dropped: Counter[str]


@dataclass(frozen=True, slots=True)
class Facts:
    """What candidates say beside their rows.

    Attributes:
        config: The model's config.
        versions: Version of each backend that is estimated.
        vram_mib: Memory of one GPU in MiB.
    """

    config: ModelConfig
    versions: Mapping[Backend, str]
    vram_mib: int


def read_rows(rows: Iterable[Row], search: Search, facts: Facts) -> Reading:
    """Turn rows into distinct candidates of one replica each.

    A row whose GPU count is not the one of its own parallelism is dropped and counted: its numbers are for
    something else than what would be rendered.
    """
    distinct: dict[tuple[object, ...], Candidate] = {}
    dropped: Counter[str] = Counter()
    for row in rows:
        try:
            candidate = _candidate(row, search, facts)
        except ValidationError:
            dropped["with values that make no sense"] += 1
            continue
        if candidate is None:
            dropped["with a GPU count that is not that of their parallelism"] += 1
        else:
            distinct.setdefault(candidate.configuration, candidate)
    return Reading(list(distinct.values()), dropped)


def _candidate(row: Row, search: Search, facts: Facts) -> Candidate | None:
    whole = _RowColumns.model_validate(row)
    roles = _MODES[search.mode].items()
    workers = tuple(_worker(row, role, prefix, whole, search) for role, prefix in roles)
    performance = _performance(whole, sum(worker.gpus for worker in workers), search.osl)
    candidate = Candidate(
        backend=search.backend,
        backend_version=facts.versions[search.backend],
        mode=search.mode,
        workers=workers,
        replicas=1,
        draft_tokens=search.draft_tokens,
        context_length=context_length(workers, search, facts.config, facts.vram_mib),
        performance=performance,
        source=_source(whole),
    )
    if candidate.gpus != whole.num_total_gpus:
        return None
    return candidate if search.calibration is None else _corrected(candidate, search.calibration, row, search)


def _corrected(candidate: Candidate, calibration: Calibration, row: Row, search: Search) -> Candidate:
    """Put corrected numbers in the place of the simulator's, with their ranges."""
    raw, found = candidate.numbers, calibration.correct(simulated(row, search))
    performance = found.applied(raw)
    factor = performance.request_rate / raw.request_rate
    workers = tuple(
        worker.model_copy(update={"request_rate": worker.request_rate * factor}) if worker.request_rate else worker
        for worker in candidate.workers
    )
    return candidate.model_copy(
        update={
            "performance": performance,
            "simulated": raw,
            "workers": workers,
            "uncertainty": calibration.uncertainty(found),
        }
    )


def _worker(row: Row, role: Role, prefix: str, whole: _RowColumns, search: Search) -> Worker:
    columns = _WorkerColumns.model_validate(
        {name: row[c] for name in _WorkerColumns.model_fields if (c := f"{prefix}{name}") in row}
    )
    decoded = columns.bs * (1 + search.draft_tokens)
    step_tokens = {
        Role.AGGREGATED: _with_margin(whole.ctx_tokens, search.isl) + decoded,
        Role.PREFILL: _with_margin(min(columns.bs * search.isl, LONGEST_STEP), search.isl),
        Role.DECODE: max(decoded, DECODE_STEP_TOKENS),
    }
    return Worker(
        role=role,
        parallelism=Parallelism(
            tp=columns.tp, pp=columns.pp, dp=columns.dp, moe_tp=columns.moe_tp, moe_ep=columns.moe_ep, cp=columns.cp
        ),
        count=columns.workers,
        batch=columns.bs,
        max_num_tokens=-(-step_tokens[role] // STEP_MULTIPLE) * STEP_MULTIPLE,
        kv_cache_dtype=KvCacheDtype.FP8 if columns.kvcache == "fp8" else KvCacheDtype.AUTO,
        memory_gib=columns.memory,
        request_rate=columns.request_rate,
    )


def _with_margin(chunk: int, isl: int) -> int:
    """Leave room for prompts that are longer than the mean; one that is cut needs none."""
    return chunk if chunk < isl else chunk + PROMPT_MARGIN_TOKENS


def _performance(whole: _RowColumns, gpus: int, osl: int) -> Performance:
    e2e = whole.ttft + whole.tpot * (osl - 1)
    return Performance(
        ttft=whole.ttft,
        itl=whole.tpot,
        e2e=e2e,
        tokens_per_s=whole.request_rate * osl,
        tokens_per_s_per_gpu=whole.request_rate * osl / gpus,
        tokens_per_s_per_user=1000 / whole.tpot if whole.tpot else 1000 * osl / e2e,
        concurrency=whole.concurrency,
        request_rate=whole.request_rate,
    )


def _source(whole: _RowColumns) -> Source:
    """Sum up where the operators' times come from."""
    return Source(whole.sources[0]) if len(whole.sources) == 1 else Source.MIXED


def context_length(workers: tuple[Worker, ...], search: Search, config: ModelConfig, vram_mib: int) -> int:
    """Return the longest sequence that the engines are started for, in tokens: what the smallest KV cache allows."""
    mean = search.isl + search.osl
    limit = min(config.context, search.context_length or config.context)
    wanted = search.context_length is not None
    return min(
        longest_request(mean, worker.batch, _free_tokens(worker, search, config, vram_mib), limit, wanted=wanted)
        for worker in workers
    )


def _free_tokens(worker: Worker, search: Search, config: ModelConfig, vram_mib: int) -> int:
    """Return how many tokens fit in the worker's KV cache beyond the planned load, which the estimate holds.

    Layers that keep less than others count as full ones.
    """
    if worker.memory_gib is None:
        return 0
    shape, quantised = worker.parallelism, worker.kv_cache_dtype is KvCacheDtype.FP8
    token_bytes = kv_bytes_per_token(config, shape.tp, shape.pp) / (2 if quantised else 1)
    if not config.plain_cache:
        token_bytes *= _OTHER_CACHES
    if search.backend is Backend.TRTLLM and search.mode is Mode.DISAGGREGATED:
        token_bytes *= _WITH_BUFFER
    free_bytes = vram_mib * 2**20 * USABLE_VRAM - worker.memory_gib * 2**30
    return max(0, int(free_bytes / token_bytes))
