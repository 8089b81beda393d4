"""Results of a search, and the candidates in them."""

from collections.abc import Sequence
from typing import Any

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.curves import DecodeCurve, PrefillCurve, WorkerCurve
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.request_warnings import RequestWarning
from dgdr_api.results import Goal, Provenance, RequestIdentity, Results, Target
from dgdr_api.v1beta1 import Backend, OptimizationType
from test.builders.observed_state import request_of


def candidate_of(
    tp: int = 2, *, per_gpu: float = 500.0, ttft: float = 100.0, batch: int = 8, **other: Any
) -> Candidate:
    """Make an aggregated candidate of one replica."""
    performance = Performance(
        ttft=ttft, itl=10, e2e=ttft + 9990, tokens_per_s=per_gpu * tp, tokens_per_s_per_gpu=per_gpu,
        tokens_per_s_per_user=100, concurrency=8, request_rate=1,
    )  # fmt: skip
    worker = Worker(role=Role.AGGREGATED, parallelism=Parallelism(tp=tp), count=1, batch=batch, max_num_tokens=8192)
    fields: dict[str, Any] = {
        "backend": Backend.VLLM, "backend_version": "0.31.0", "mode": Mode.AGGREGATED, "workers": (worker,),
        "replicas": 1, "context_length": 10_000, "performance": performance, "source": Source.MIXED,
    }  # fmt: skip
    return Candidate(**(fields | other))


def planned_results() -> Results:
    """Make the results of a search for the planner: one candidate, and curves of its workers."""
    prefill = Worker(role=Role.PREFILL, parallelism=Parallelism(tp=2), count=1, batch=1, max_num_tokens=8192)
    decode = Worker(role=Role.DECODE, parallelism=Parallelism(tp=4), count=1, batch=64, max_num_tokens=64)
    choice = candidate_of(mode=Mode.DISAGGREGATED, workers=(prefill, decode))
    of: dict[str, Any] = {"backend": Backend.VLLM, "kv_cache_dtype": KvCacheDtype.AUTO}
    curves = (
        WorkerCurve(
            **of,
            role=Role.PREFILL,
            parallelism=prefill.parallelism,
            prefill=PrefillCurve(isl=(100, 5000, 10_000), ttft=(8, 200, 500), tokens_per_s_per_gpu=(6000, 9000, 8000)),
        ),
        WorkerCurve(
            **of,
            role=Role.DECODE,
            parallelism=decode.parallelism,
            decode=DecodeCurve(
                kv_usage=(0.1, 0.9, 0.1, 0.9),
                context_length=(1000, 1000, 9000, 9000),
                itl=(6, 30, 5, 20),
                tokens_per_s_per_gpu=(900, 2000, 500, 800),
                max_kv_tokens=1_800_000,
            ),
        ),
    )
    goal = Goal(
        isl=4000, osl=1000, objective=OptimizationType.HYBRID, autoscale=True,
        ttft=Target(value=300, explicit=True), itl=Target(value=15, explicit=False),
    )  # fmt: skip
    return results_of([choice]).model_copy(update={"curves": curves, "goal": goal})


def results_of(
    candidates: Sequence[Candidate] = (),
    *,
    selected: int | None = 0,
    warnings: Sequence[RequestWarning] = (),
    pareto: Sequence[int] | None = None,
) -> Results:
    """Make the results of a search: by default two candidates, both on the front, the first one chosen."""
    found = tuple(candidates) or (candidate_of(2), candidate_of(4, per_gpu=400, ttft=60))
    front = range(len(found)) if pareto is None else pareto
    return Results(
        request=RequestIdentity(name="qwen", namespace="team", spec=request_of().spec),
        model="Qwen/Qwen3-32B",
        goal=Goal(isl=4000, osl=1000, objective=OptimizationType.HYBRID),
        hardware=HardwareUsed(
            gpu_sku="h200_sxm",
            gpu_sku_source=ValueSource.SPEC,
            total_gpus=Resolved(value=8, source=ValueSource.SPEC),
            num_gpus_per_node=Resolved(value=8, source=ValueSource.SPEC),
            vram_mib=Resolved(value=143_771, source=ValueSource.SPEC),
        ),
        candidates=found,
        pareto=tuple(found[index].id for index in front),
        selected=None if selected is None else found[selected].id,
        warnings=tuple(warnings),
        provenance=Provenance(engine="aic", engine_version="0.12.0", perf_database={"vllm": "1"}, mode="rapid"),
    )
