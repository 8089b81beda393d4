"""What a user may say to Dynamo's planner, under today's names and those of the planner guide.

The planner passes over what it does not know and dies of a wrong type, both long after anybody looks: so it is said
before. Source: ``dynamo.planner`` 1.6.1 ``config/planner_config.py``; a test compares the tables with its schema.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from dgdr_api.errors import FieldError
from dgdr_api.v1beta1 import DgdrSpec, Features

_PATH = "spec.features.planner"

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
    "no_correction": "the planner no longer has correction factors",
}
"""Settings of the planner guide that no longer exist, and why."""

_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "object": (dict,),
}
KINDS: dict[str, tuple[str, ...]] = {
    "integer": (
        "control_api_port", "decode_engine_num_gpu", "decode_min_endpoint", "fpm_sample_bucket_size",
        "kalman_min_points", "live_dashboard_port", "load_adjustment_interval_seconds", "load_min_observations",
        "load_scaling_down_sensitivity", "max_gpu_budget", "max_num_fpm_samples",
        "max_throughput_scaling_replicas", "metric_reporting_prometheus_port", "min_endpoint", "min_gpu_budget",
        "prefill_engine_num_gpu", "prefill_min_endpoint", "prefill_scale_down_queue_tokens",
        "prefill_scale_up_queue_tokens", "prophet_window_size", "speculative_nextn",
        "throughput_adjustment_interval_seconds", "total_gpu_power_limit",
    ),
    "number": (
        "decode_scale_down_kv_rate", "decode_scale_up_kv_rate", "itl_ms", "kalman_q_level", "kalman_q_trend",
        "kalman_r", "metric_pulling_prometheus_request_timeout_seconds", "report_interval_hours", "ttft_ms",
    ),
    "boolean": (
        "advisory", "enable_load_scaling", "enable_power_awareness", "enable_throughput_scaling",
        "load_predictor_log1p", "metric_pulling_prometheus_ssl_verify", "report_write_gzip_log",
    ),
    "string": (
        "global_planner_namespace", "load_predictor_warmup_trace", "log_dir",
        "metric_pulling_prometheus_ca_bundle", "metric_pulling_prometheus_endpoint",
        "metric_pulling_prometheus_token", "metric_pulling_prometheus_token_file", "model_name", "namespace",
        "profile_results_dir", "report_filename", "report_output_dir",
    ),
    "object": (
        "aic_interpolation", "ais_perf_model", "metric_pulling_prometheus_extra_query_params",
        "plugin_registration", "scheduling",
    ),
}  # fmt: skip
"""Settings by the type of their values."""

CHOICES: dict[str, tuple[str, ...]] = {
    "backend": ("vllm", "sglang", "trtllm", "mocker"),
    "environment": ("kubernetes", "virtual", "global-planner"),
    "load_predictor": ("constant", "arima", "prophet", "kalman"),
    "mode": ("disagg", "prefill", "decode", "agg"),
    "optimization_target": ("throughput", "latency", "load", "sla"),
    "pre_deployment_sweeping_mode": ("none", "rapid", "thorough"),
    "throughput_metrics_source": ("frontend", "router"),
}
"""Settings that take one of a few words."""

FORECASTING = frozenset({"itl_ms", "ttft_ms", "throughput_adjustment_interval_seconds", "load_predictor"}) | {
    name for names in KINDS.values() for name in names if name.startswith(("kalman_", "prophet_", "load_predictor_"))
}
"""Settings that mean something only to a planner that holds latencies: who writes one wants that."""

HARMLESS = frozenset((*CHOICES, *GONE, *KINDS["integer"], *KINDS["number"], *KINDS["boolean"])) - {
    *("control_api_port", "environment", "live_dashboard_port", "metric_reporting_prometheus_port"),
    *("metric_pulling_prometheus_request_timeout_seconds", "metric_pulling_prometheus_ssl_verify"),
    *("report_interval_hours", "report_write_gzip_log"),
}
"""Settings that are about the deployment alone. By others the planner opens ports, and takes files and tokens to
servers elsewhere: who may only write requests should not have its rights."""

_KIND_OF = {name: kind for kind, names in KINDS.items() for name in names}

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # kalman|Q|Level


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
        settings: dict[str, JsonValue] = {}
        notes = []
        for name, value in _written(spec.features).items():
            key = todays_name(name)
            if key in GONE:
                notes.append(f"spec.features.planner.{name} has no effect: {GONE[key]}")
            elif value is not None:
                settings[key] = value
                if key not in (*_KIND_OF, *CHOICES):
                    notes.append(f"spec.features.planner.{name} is not a setting of Dynamo's planner and has no effect")
        return cls(settings, tuple(notes))

    @property
    def advisory(self) -> bool:
        """Whether the planner only says what it would do."""
        return self.settings.get("advisory") is True


def todays_name(name: str) -> str:
    """Return what a setting of the planner is called today."""
    key = _WORD.sub("_", name).replace("-", "_").lower().removeprefix("planner_")
    return RENAMED.get(key, key)


def beyond(spec: DgdrSpec) -> list[str]:
    """Return the settings that are written and are not harmless."""
    return [name for name in _written(spec.features) if todays_name(name) not in HARMLESS]


def validate_settings(spec: DgdrSpec) -> list[FieldError]:
    """Return what the planner would not start with: values of a wrong type, one setting under two names."""
    named: dict[str, str] = {}
    found = []
    for name, value in _written(spec.features).items():
        key = todays_name(name)
        path = f"{_PATH}.{name}"
        if key in named and key in (*_KIND_OF, *CHOICES):
            found.append(FieldError(path, f"Invalid value: {json.dumps(value)}", f"is an alias of {named[key]}"))
        named[key] = name
        if value is not None and (wanted := _wanted(key, value)):
            found.append(FieldError(path, f"Invalid value: {json.dumps(value)}", f"must be {wanted}"))
    return found


def _wanted(key: str, value: JsonValue) -> str | None:
    """Return what a setting's value must be, where it is not."""
    if key in CHOICES:
        return None if value in CHOICES[key] else f"one of {', '.join(CHOICES[key])}"
    kind = _KIND_OF.get(key)
    if kind is None or (isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)):
        return None
    return f"{'an' if kind[0] in 'io' else 'a'} {kind}"


def _written(features: Features | None) -> Mapping[str, JsonValue]:
    """Return what is written of the planner, but for the switch."""
    written = features.planner if features and isinstance(features.planner, dict) else {}
    return {name: value for name, value in written.items() if name != "enabled"}
