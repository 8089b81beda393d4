"""Dynamo's planner beside the engines: its component and its configuration.

What the plan knows is filled in; what the user has written stays. Source: ``dynamo.planner`` 1.6.1,
``config/planner_config.py`` (keys and defaults).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.defaults import Effective, effective
from dgdr_api.v1beta1 import DgdrSpec
from dgdr_controller.deployment.render.request import GraphRequest
from dgdr_controller.settings import Settings

RENAMED = {
    "adjustment_interval": "throughput_adjustment_interval_seconds",
    "itl": "itl_ms",
    "load_adjustment_interval": "load_adjustment_interval_seconds",
    "load_prediction_window_size": "prophet_window_size",
    "no_operation": "advisory",
    "prometheus_endpoint": "metric_pulling_prometheus_endpoint",
    "prometheus_port": "metric_reporting_prometheus_port",
    "throughput_adjustment_interval": "throughput_adjustment_interval_seconds",
    "ttft": "ttft_ms",
}
"""Settings of the planner guide and of older planners, and what they are called today."""

GONE = {
    "isl": "the planner observes it",
    "osl": "the planner observes it",
    "no_correction": "today's planner has no correction factors",
}
"""Settings of the planner guide that no longer exist, and why."""

SETTINGS = frozenset({
    "advisory", "aic_interpolation", "ais_perf_model", "backend", "control_api_port", "decode_engine_num_gpu",
    "decode_min_endpoint", "decode_scale_down_kv_rate", "decode_scale_up_kv_rate", "enable_load_scaling",
    "enable_power_awareness", "enable_throughput_scaling", "environment", "fpm_sample_bucket_size",
    "global_planner_namespace", "itl_ms", "kalman_min_points", "kalman_q_level", "kalman_q_trend", "kalman_r",
    "live_dashboard_port", "load_adjustment_interval_seconds", "load_min_observations", "load_predictor",
    "load_predictor_log1p", "load_predictor_warmup_trace", "load_scaling_down_sensitivity", "log_dir",
    "max_gpu_budget", "max_num_fpm_samples", "max_throughput_scaling_replicas",
    "metric_pulling_prometheus_ca_bundle", "metric_pulling_prometheus_endpoint",
    "metric_pulling_prometheus_extra_query_params", "metric_pulling_prometheus_request_timeout_seconds",
    "metric_pulling_prometheus_ssl_verify", "metric_pulling_prometheus_token",
    "metric_pulling_prometheus_token_file", "metric_reporting_prometheus_port", "min_endpoint", "min_gpu_budget",
    "mode", "model_name", "namespace", "optimization_target", "plugin_registration", "pre_deployment_sweeping_mode",
    "prefill_engine_num_gpu", "prefill_min_endpoint", "prefill_scale_down_queue_tokens",
    "prefill_scale_up_queue_tokens", "profile_results_dir", "prophet_window_size", "report_filename",
    "report_interval_hours", "report_output_dir", "report_write_gzip_log", "scheduling", "speculative_nextn",
    "throughput_adjustment_interval_seconds", "throughput_metrics_source", "total_gpu_power_limit", "ttft_ms",
})  # fmt: skip
"""What today's planner can be told. It passes over what it does not know, without a word."""

_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")


@dataclass(frozen=True, slots=True)
class Written:
    """What the user has written about the planner.

    Attributes:
        settings: Settings, under today's names.
        notes: A sentence for each that has no effect.
    """

    settings: dict[str, JsonValue]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, spec: DgdrSpec) -> "Written":
        """Read ``spec.features.planner``: today's names, those of the guide, with its prefix and in camel case."""
        features = spec.features
        written = features.planner if features and isinstance(features.planner, dict) else {}
        settings: dict[str, JsonValue] = {}
        notes = []
        for name, value in written.items():
            key = todays_name(name)
            if key in GONE:
                notes.append(f"spec.features.planner.{name} has no effect: {GONE[key]}")
            elif key != "enabled":
                settings[key] = value
                if key not in SETTINGS:
                    notes.append(f"spec.features.planner.{name} is no setting of Dynamo's planner; it has no effect")
        return cls(settings, tuple(notes))

    @property
    def advisory(self) -> bool:
        """Whether the planner only says what it would do."""
        return self.settings.get("advisory") is True


def prometheus_of(spec: DgdrSpec, settings: Settings) -> str:
    """Return where the planner reads metrics: what the user says, else the installation's."""
    written = Written.of(spec).settings.get("metric_pulling_prometheus_endpoint")
    return written if isinstance(written, str) else settings.prometheus_endpoint


def todays_name(name: str) -> str:
    """Return what a setting of the planner is called today."""
    key = _CAPITAL.sub(r"_\1", name).replace("-", "_").lower().removeprefix("planner_")
    return RENAMED.get(key, key)


def planner_config(
    candidate: Candidate, request: GraphRequest, written: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the planner's configuration: the plan's values, under those that the user has written."""
    return {**dict(_planned(candidate, request, written)), **written}


def holds_latencies(spec: DgdrSpec) -> bool:
    """Say whether the planner is to hold latencies, for which it needs Prometheus."""
    written = Written.of(spec).settings
    return written.get("optimization_target", "sla" if _wants_latency(effective(spec), written) else "") == "sla"


def _wants_latency(applied: Effective, written: Mapping[str, JsonValue]) -> bool:
    """Say whether the user has written a latency, in the request or in the planner's settings."""
    targets = (applied.ttft, applied.itl, applied.e2e_latency)
    return any(each is not None and each.explicit for each in targets) or bool(written.keys() & {"ttft_ms", "itl_ms"})


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
    ttft, itl = _targets(candidate, applied)
    if _wants_latency(applied, written):
        yield "optimization_target", "sla"  # its own default is throughput, which looks at no latency
    yield "ttft_ms", ttft
    yield "itl_ms", itl


def _targets(candidate: Candidate, applied: Effective) -> tuple[float, float]:
    """Return the latencies to hold, in ms.

    The planner knows none of a whole request: that is shared out as the plan does it, first the time to first token
    that is estimated, then what is left for the other tokens.
    """
    if applied.ttft is not None and applied.itl is not None:
        return applied.ttft.value, applied.itl.value
    whole = applied.e2e_latency.value if applied.e2e_latency else 0.0
    first = candidate.performance.ttft if candidate.performance else whole / 2
    others = max(1, applied.osl.value - 1)
    itl = candidate.performance.itl if candidate.performance else 0.0
    return first, max(itl, (whole - first) / others)
