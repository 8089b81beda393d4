"""The configuration of Dynamo's planner: the plan's values, under those that the user has written.

Source: ``dynamo.planner`` 1.6.1, ``config/planner_config.py`` (keys and defaults).
"""

from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.defaults import Effective
from dgdr_api.v1beta1 import DgdrSpec
from dgdr_controller.deployment.render.planner_settings import FORECASTING, Written
from dgdr_controller.deployment.render.request import GraphRequest
from dgdr_controller.settings import Settings


def prometheus_of(spec: DgdrSpec, settings: Settings) -> str:
    """Return where the planner reads metrics: what the user says, else the installation's."""
    written = Written.of(spec).settings.get("metric_pulling_prometheus_endpoint")
    return written if isinstance(written, str) else settings.prometheus_endpoint


def planner_config(
    candidate: Candidate, request: GraphRequest, written: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the planner's configuration: the plan's values, under those that the user has written."""
    return {**dict(_planned(candidate, request, written)), **written}


def holds_latencies(spec: DgdrSpec, applied: Effective) -> bool:
    """Say whether the planner is to hold latencies, for which it needs Prometheus."""
    written = Written.of(spec).settings
    return written.get("optimization_target", "sla" if _wants_latency(applied, written) else "") == "sla"


def _wants_latency(applied: Effective, written: Mapping[str, JsonValue]) -> bool:
    """Say whether the user has written a latency, or how load is forecast, which serves nothing else."""
    targets = (applied.ttft, applied.itl, applied.e2e_latency)
    return any(target is not None and target.explicit for target in targets) or bool(written.keys() & FORECASTING)


def _planned(
    candidate: Candidate, request: GraphRequest, written: Mapping[str, JsonValue]
) -> Iterator[tuple[str, JsonValue]]:
    applied = request.effective
    yield "model_name", request.spec.model
    yield "backend", "mocker" if applied.mocker else candidate.backend.value
    yield "mode", "agg" if candidate.mode is Mode.AGGREGATED else "disagg"
    yield "max_gpu_budget", request.hardware.total_gpus.value
    for worker in candidate.workers:
        # An aggregated engine counts as one that decodes.
        role = Role.PREFILL if worker.role is Role.PREFILL else Role.DECODE
        yield f"{role}_engine_num_gpu", worker.parallelism.gpus
    ttft, itl = _targets(candidate, applied, written)
    if _wants_latency(applied, written):
        # Its own default is throughput, which looks at no latency. For sla it has to know how fast workers are, which
        # nobody tells it of engines that do both; who writes how load is forecast wants that target all the same.
        by_load = candidate.mode is Mode.AGGREGATED and not written.keys() & FORECASTING
        yield "optimization_target", "latency" if by_load else "sla"
    yield "ttft_ms", ttft
    yield "itl_ms", itl


def _targets(candidate: Candidate, applied: Effective, written: Mapping[str, JsonValue]) -> tuple[float, float]:
    """Return the latencies to hold, in ms.

    The planner knows none of a whole request: that is shared out in the proportion of the plan, which is better known
    than its times. What the user has written of one leaves the rest to the other.
    """
    if applied.ttft is not None and applied.itl is not None:
        return applied.ttft.value, applied.itl.value
    whole, others = applied.e2e_latency.value if applied.e2e_latency else 0.0, max(1, applied.osl.value - 1)
    plan = candidate.performance
    if isinstance(ttft := written.get("ttft_ms"), (int, float)):
        return ttft, max(0.0, whole - ttft) / others
    if isinstance(itl := written.get("itl_ms"), (int, float)):
        return max(0.0, whole - itl * others), itl
    share = plan.ttft / plan.e2e if plan else 0.5
    return round(whole * share, 1), round(whole * (1 - share) / others, 2)
