"""What tests of several folders share: strategies for candidates, a goal to judge them by."""

import signal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate, KvCacheDtype, Mode, Parallelism, Performance, Role, Source, Worker
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.results import Goal, ModelFacts, Target
from dgdr_api.v1beta1 import Backend, DgdrSpec, OptimizationType
from dgdr_controller.deployment.render import GraphRequest

pytest.register_assert_rewrite("test.builders")  # they assert, too
from test.builders.estimates import ERRORS, erring  # noqa: E402 - once they can

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started with & by a script: interrupts are tested all the same
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("dgdr", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("dgdr")

CONCRETE = [Backend.VLLM, Backend.SGLANG, Backend.TRTLLM]
POWERS = st.sampled_from([1, 2, 4, 8])


@st.composite
def _shape(draw: st.DrawFn) -> Parallelism:
    """Dense, or a mixture of experts whose attention is in slices or copies, its experts whole or in slices."""
    tp = draw(POWERS)
    if draw(st.booleans()):
        return Parallelism(tp=tp)
    dp, experts = draw(POWERS), draw(st.sampled_from(["moe_tp", "moe_ep"]))
    return Parallelism(tp=tp, dp=dp, **{experts: tp * dp})


@st.composite
def _worker(draw: st.DrawFn, role: Role) -> Worker:
    return Worker(
        role=role,
        parallelism=draw(_shape()),
        count=1 if role is Role.AGGREGATED else draw(st.integers(1, 5)),
        batch=draw(st.integers(1, 512)),
        max_num_tokens=draw(st.integers(1, 20_000)),
        kv_cache_dtype=draw(st.sampled_from(KvCacheDtype)),
        memory_gib=draw(st.floats(1, 80)),
        request_rate=draw(st.sampled_from([None, 0.5, 2.0, 7.5])),
    )


@st.composite
def _candidate(draw: st.DrawFn) -> Candidate:
    mode = draw(st.sampled_from(Mode))
    roles = [Role.AGGREGATED] if mode is Mode.AGGREGATED else [Role.PREFILL, Role.DECODE]
    workers = tuple(draw(_worker(role)) for role in roles)
    gpus = sum(worker.gpus for worker in workers)
    # Few distinct values: ties are where selection goes wrong.
    ttft, itl = draw(st.sampled_from([50.0, 100.0, 400.0, 2500.0])), draw(st.sampled_from([5.0, 10.0, 20.0, 60.0]))
    per_gpu = draw(st.sampled_from([100.0, 200.0, 500.0, 900.0]))
    concurrency = draw(st.sampled_from([1.0, 8.0, 64.0]))
    row = draw(st.sampled_from([None, *ERRORS.rows]))
    candidate = Candidate(
        backend=draw(st.sampled_from(CONCRETE)),
        backend_version="1.0",
        mode=mode,
        workers=workers,
        replicas=1,
        context_length=draw(st.integers(2, 40_000)),
        performance=Performance(
            ttft=ttft,
            itl=itl,
            e2e=ttft + itl * 999,
            tokens_per_s=per_gpu * gpus,
            tokens_per_s_per_gpu=per_gpu,
            tokens_per_s_per_user=1000 / itl,
            concurrency=concurrency,
            request_rate=per_gpu * gpus / 1000,
        ),
        source=draw(st.sampled_from(Source)),
    )
    return candidate if row is None else erring(candidate, row)


_targets = st.none() | st.builds(Target, value=st.sampled_from([80.0, 300.0, 5000.0]), explicit=st.booleans())


@st.composite
def _goal(draw: st.DrawFn) -> Goal:
    whole = draw(st.booleans())
    load = draw(st.sampled_from(["none", "concurrency", "rate"]))
    return Goal(
        isl=4000,
        osl=1000,
        ttft=None if whole else draw(_targets),
        itl=None if whole else draw(st.none() | st.builds(Target, value=POWERS.map(float), explicit=st.booleans())),
        e2e_latency=draw(st.sampled_from([None, Target(value=10_000, explicit=True)])) if whole else None,
        objective=draw(st.sampled_from(OptimizationType)),
        concurrency=draw(st.sampled_from([4.0, 100.0])) if load == "concurrency" else None,
        request_rate=draw(st.sampled_from([0.5, 20.0])) if load == "rate" else None,
        autoscale=draw(st.sampled_from([False, False, True])),
    )


@pytest.fixture(scope="session")
def hardware() -> HardwareUsed:
    """Four nodes of eight H200."""

    def said(value: int) -> Resolved:
        return Resolved(value=value, source=ValueSource.SPEC)

    return HardwareUsed(
        gpu_sku="h200_sxm",
        gpu_sku_source=ValueSource.SPEC,
        total_gpus=said(32),
        num_gpus_per_node=said(8),
        vram_mib=said(143_771),
    )


@pytest.fixture(scope="session")
def graph_request(hardware: HardwareUsed) -> Any:
    """Make what a deployment is rendered for; fields of the spec by name, others as they are called there."""

    def make(
        model: str = "org/m", uid: str | None = None, curves: Any = (), on: Any = None, facts: Any = None, **spec: Any
    ) -> GraphRequest:
        asked = DgdrSpec.model_validate({"model": "org/m"} | spec)
        known = ModelFacts.model_validate(facts or {})
        return GraphRequest(
            name="r",
            namespace=None,
            uid=uid,
            spec=asked,
            model=model,
            hardware=on or hardware,
            curves=curves,
            facts=known,
        )

    return make


@pytest.fixture(scope="session")
def candidates() -> st.SearchStrategy[Candidate]:
    """One candidate of one replica."""
    return _candidate()


@pytest.fixture(scope="session")
def goals() -> st.SearchStrategy[Goal]:
    """Goals of every kind: targets written or default or absent, with and without a load."""
    return _goal()


@pytest.fixture
def plain_goal() -> Goal:
    """A goal without load and with default targets."""
    return Goal(
        isl=4000,
        osl=1000,
        ttft=Target(value=2000, explicit=False),
        itl=Target(value=30, explicit=False),
        e2e_latency=None,
        objective=OptimizationType.HYBRID,
        concurrency=None,
        request_rate=None,
    )


@pytest.fixture
def make_candidate() -> Any:
    """Make an aggregated candidate of one replica from a few numbers; what is not named is ordinary."""

    def make(
        *, tp: int = 2, batch: int = 8, ttft: float = 100, itl: float = 10, per_gpu: float = 100, **other: Any
    ) -> Candidate:
        shape = Parallelism(tp=tp, **{k: other.pop(k) for k in ("pp", "dp", "moe_tp", "moe_ep", "cp") if k in other})
        performance = Performance(
            ttft=ttft,
            itl=itl,
            e2e=ttft + itl * 999,
            tokens_per_s=per_gpu * shape.gpus,
            tokens_per_s_per_gpu=per_gpu,
            tokens_per_s_per_user=1000 / itl,
            concurrency=float(batch),
            request_rate=per_gpu * shape.gpus / 1000,
        )
        worker = Worker(role=Role.AGGREGATED, parallelism=shape, count=1, batch=batch, max_num_tokens=8192)
        fields: dict[str, Any] = {
            "backend": Backend.VLLM,
            "backend_version": "1.0",
            "mode": Mode.AGGREGATED,
            "workers": (worker,),
            "replicas": 1,
            "context_length": 10_000,
            "performance": performance,
            "source": Source.MIXED,
        }
        return Candidate(**(fields | other))

    return make
