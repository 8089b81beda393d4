"""Results to show on the page, and how a page is opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from dgdr_api.candidate import Candidate, Mode, Outcome, Parallelism, Performance, Role, Source, Verdict, Worker
from dgdr_api.results import Goal, Provenance, Results
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.selection.judge import judge
from test.builders.estimates import ERRORS, erring, promising
from test.builders.results import results_of

Open = Callable[[Results], Page]
Look = Callable[[Path], Page]
ENGINES = (Backend.VLLM, Backend.SGLANG, Backend.TRTLLM)


def candidate(backend: Backend, mode: Mode, step: int) -> Candidate:
    """Make one of a family: with every step more throughput, less speed, a later first token."""
    roles = (Role.AGGREGATED,) if mode is Mode.AGGREGATED else (Role.PREFILL, Role.DECODE)
    tp = 4 if mode is Mode.DISAGGREGATED else 8 >> (step % 3)
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=tp), count=1, batch=2**step, max_num_tokens=8192) for role in roles
    )
    rank = 1 + ENGINES.index(backend) / 10 - len(roles) / 20
    ttft, itl, density = 120.0 * 1.5**step, 4.0 * 1.4**step * rank, 120.0 * 1.35**step * rank
    gpus = sum(worker.gpus for worker in workers)
    made = Candidate(
        backend=backend, backend_version="1.0", mode=mode, workers=workers, replicas=1, context_length=10_000,
        performance=Performance(
            ttft=ttft, itl=itl, e2e=ttft + itl * 999, tokens_per_s=density * gpus, tokens_per_s_per_gpu=density,
            tokens_per_s_per_user=1000 / itl, concurrency=2.0**step, request_rate=density * gpus / 1000,
        ),
        source=Source.MIXED,
    )  # fmt: skip
    row = "narrow" if backend is Backend.VLLM else "wide"
    return erring(made.scaled(8 // gpus), "pooled" if mode is Mode.DISAGGREGATED else row)


def judged(goal: Goal, *more: Candidate) -> Results:
    """Judge a few dozen candidates of every engine and mode for eight GPUs, as the profiler does."""
    pool = [candidate(backend, mode, step) for backend in ENGINES for mode in Mode for step in range(7)]

    def rejection(candidate: Candidate) -> Verdict | None:
        odd = candidate.workers[0].batch == 1 and candidate.backend is Backend.TRTLLM
        return Verdict(outcome=Outcome.NOT_RENDERABLE, reason="no flag says so") if odd else None

    judgement = judge(promising([*pool, *more], goal), goal, 8, rejection)
    results = results_of()
    changes: dict[str, Any] = {
        "goal": goal,
        "candidates": tuple(judgement.candidates),
        "estimate_errors": ERRORS,
        "selected": judgement.choice.id if judgement.choice else None,
        "pareto": tuple(candidate.id for candidate in judgement.pareto),
        "provenance": Provenance(
            engine="AIConfigurator", engine_version="0.12.0", perf_database={"vllm": "0.24.0"}, mode="rapid",
            notes=("TTFT is an optimistic estimate.",),
        ),
    }  # fmt: skip
    return results.model_copy(update=changes)
