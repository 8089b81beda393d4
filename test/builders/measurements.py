"""A site's own measurements, and AIPerf's exports.

The shape of an export is that of AIPerf 0.13.0: ``JsonExportData`` and ``JsonMetricResult`` in its
``common/models/export_models.py``, dumped by ``exporters/metrics_json_exporter.py`` without what is not set; ``phases``
in ``input_config`` are those of ``config/phases.py``. AIPerf itself is not installed here; an export that it has written
is test/profiler/measurement/aiperf-0.13.0.json.
"""

import json
from typing import Any

from dgdr_api.candidate import Candidate, Mode
from dgdr_api.measurements import Measurement, Measurements, Numbers
from dgdr_api.names import MEASUREMENTS
from dgdr_api.results import Results
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration import Calibration
from test.builders.estimates import ERRORS, erring
from test.builders.results import candidate_of, results_of

SOURCE = f"ConfigMap {MEASUREMENTS}"
ESTIMATED = Numbers(ttft=100.0, itl=10.0, tokens_per_s_per_gpu=800.0)


def numbers(ttft: float = 1.0, itl: float = 1.0, throughput: float = 1.0) -> Numbers:
    """Return what is so many times the estimates."""
    return Numbers(
        ttft=ESTIMATED.ttft * ttft,
        itl=ESTIMATED.itl * itl,
        tokens_per_s_per_gpu=ESTIMATED.tokens_per_s_per_gpu * throughput,
    )


def measurement(ttft: float = 1.0, itl: float = 1.0, throughput: float = 1.0, **changes: Any) -> Measurement:
    """Make a measurement whose numbers are so many times the estimates."""
    fields: dict[str, Any] = {
        "model": "Qwen/Qwen3-32B", "gpu_sku": "h200_sxm", "backend": Backend.VLLM, "backend_version": "0.24.0",
        "mode": Mode.AGGREGATED, "candidate": "vllm-agg-0123456789", "shape": "2 × tp4", "gpus": 8, "isl": 4000,
        "osl": 1000, "concurrency": 64, "requests": 640, "engine": "AIConfigurator", "engine_version": "0.12.0",
        "table": "0" * 12, "simulated": numbers(0.6), "corrected": ESTIMATED, "measured": numbers(ttft, itl, throughput),
        "date": "2026-11-30T12:00:00", "sha256": "a" * 64,
    }  # fmt: skip
    return Measurement(**(fields | changes))


def measurements(*found: Measurement, unread: tuple[str, ...] = ()) -> Measurements:
    """Make what was read of a ConfigMap with these measurements."""
    entries = {f"{number}.{entry.key}": entry for number, entry in enumerate(found)}
    return Measurements(source=SOURCE, entries=entries, unread=unread)


def config_map(*found: Measurement, **more: str) -> dict[str, Any]:
    """Make the ConfigMap of measurements, and of other keys."""
    texts = {entry.key: entry.model_dump_json() for entry in found}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MEASUREMENTS}, "data": texts | more}


def estimated_candidate(tp: int = 4, *, replicas: int = 2, concurrency: float = 64.0, **fields: Any) -> Candidate:
    """Make a candidate with corrected estimates: those of `ESTIMATED`, in a range of 0.5 to 2 times."""
    plain = candidate_of(tp, per_gpu=ESTIMATED.tokens_per_s_per_gpu, ttft=ESTIMATED.ttft, replicas=replicas, **fields)
    performance = plain.numbers.model_copy(update={"itl": ESTIMATED.itl, "concurrency": concurrency})
    raw = performance.model_copy(update={"ttft": ESTIMATED.ttft * 0.6})
    return erring(plain.model_copy(update={"performance": performance, "simulated": raw}), "wide")


def estimated_results(*candidates: Candidate, **changes: Any) -> Results:
    """Make the results of a plan whose estimates the table of this version has corrected; by default of one candidate."""
    found = candidates or (estimated_candidate(),)
    fields: dict[str, Any] = {
        **dict(results_of()),
        "candidates": found,
        "pareto": (),
        "selected": found[0].id,
        "estimate_errors": ERRORS.model_copy(update={"table": Calibration.load().digest}),
    }
    return Results.model_validate(fields | changes)


def metric(unit: str, avg: float, **changes: Any) -> dict[str, Any]:
    """Make a metric of requests: mean, percentiles, spread."""
    spread = {f"p{q}": round(avg * (0.8 + q / 250), 3) for q in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
    ends = {"min": avg * 0.7, "max": avg * 1.5, "std": avg * 0.1}
    return {"unit": unit, "avg": avg, **spread, **ends, "count": 640, "sum": avg * 640, **changes}


def export(
    *,
    isl: float = 4010.0,
    osl: float = 1000.0,
    concurrency: int = 64,
    ttft: float = 120.0,
    itl: float = 11.0,
    tokens_per_s: float | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Make an export of a run without errors and with a steady load; a field that is changed to None is not there."""
    latency = ttft + itl * (osl - 1)
    requests = 10 * concurrency
    load = {"type": "concurrency", "concurrency": concurrency, "requests": requests}
    fields: dict[str, Any] = {
        "schema_version": "1.4",
        "aiperf_version": "0.13.0",
        "benchmark_id": "6f0c1f5e-0000-4000-8000-000000000000",
        "request_throughput": {"unit": "requests/sec", "avg": concurrency / latency * 1000},
        "request_latency": metric("ms", latency),
        "request_count": {"unit": "requests", "avg": float(requests)},
        "time_to_first_token": metric("ms", ttft),
        "time_to_second_token": metric("ms", itl),
        "inter_token_latency": metric("ms", itl),
        "output_token_throughput": {"unit": "tokens/sec", "avg": tokens_per_s or concurrency * osl / latency * 1000},
        "output_token_throughput_per_user": metric("tokens/sec/user", 1000 / itl),
        "output_sequence_length": metric("tokens", osl),
        "input_sequence_length": metric("tokens", isl),
        "benchmark_duration": {"unit": "sec", "avg": 60.0},
        "usage_prompt_cache_read_tokens": metric("tokens", 0.0),
        "input_config": {
            "models": {"items": [{"name": "Qwen/Qwen3-32B"}]},
            "endpoint": {
                "urls": ["http://127.0.0.1:8000"], "type": "chat", "streaming": True, "connection_reuse": "never",
                "use_server_token_count": True,
            },
            "phases": [
                {"name": "warmup", "kind": "warmup", "type": "concurrency", "concurrency": 1, "requests": 4},
                {"name": "profiling", "kind": "profiling", **load},
            ],
        },
        "run_info": {"benchmark_id": "6f0c1f5e-0000-4000-8000-000000000000", "random_seed": 7},
        "was_cancelled": False,
        "is_complete": True,
        "error_summary": [],
        "start_time": "2026-11-30T12:00:00.123456",
        "end_time": "2026-11-30T12:01:00.123456",
        "warmup_metrics": {"time_to_first_token": metric("ms", 900.0)},
    }  # fmt: skip
    return {name: value for name, value in (fields | changes).items() if value is not None}


def export_text(**fields: Any) -> str:
    """Make the file of an export, as AIPerf writes it."""
    return json.dumps(export(**fields), indent=2)
