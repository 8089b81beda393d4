"""The adapter to AIConfigurator: the only module that imports it.

The same classes live under two names, ``aisimulate`` (newer) and ``aiconfigurator`` (0.12, the last of its line);
whichever is installed is used. Everything here runs inside a worker process: AIC loads hundreds of megabytes,
logs freely and may call ``sys.exit``.
"""

import difflib
import importlib
import logging
import warnings
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType
from typing import Any

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.search import Found, ModelFacts, Row, Search, Survey

ENGINES = (Backend.VLLM, Backend.SGLANG, Backend.TRTLLM)
"""Every concrete backend, in the order in which they are searched and listed."""

VERSION_SLOT = "current"
"""AIC's alias for the newest complete set of performance data of a backend."""

_UNBOUNDED_MS = 1e9
"""Stands for "no target": AIC wants a number."""

_ITL_GRID = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 23, 26, 30, 35, 40, 45, 50),
    *(60, 70, 80, 100, 130, 170, 220, 300),
)
"""ITL targets in ms at which AIC is asked for its best rows, beside the request's own: the shape of the front."""

_HYBRID_ATTENTION = frozenset({"kv_lora_rank", "sliding_window", "mamba_d_state", "linear_num_key_heads"})
"""Keys of a model's config that say: the cache is not one key and one value for each token and layer."""


def _module(path: str) -> ModuleType:
    """Import a module of AIC under whichever of its names is installed."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    try:
        return importlib.import_module(f"aisimulate.{path}")
    except ModuleNotFoundError as error:
        if error.name != "aisimulate":
            raise
    return importlib.import_module(f"aiconfigurator.{path}")


def preload() -> None:
    """Import what every search needs; done once in the process that the workers are forked from."""
    _module("sdk.task_v2")


def survey(model: str, system: str | None) -> Survey:
    """Tell what AIC knows of a model and of a system (None: AIC has no such system)."""
    common, databases = _module("sdk.common"), _module("sdk.perf_database")
    known = sorted(common.get_default_models())
    spelled = next((name for name in known if name.lower() == model.lower()), None)
    package = common.__name__.partition(".")[0].removesuffix("_core")
    return Survey(
        engine={"aiconfigurator": "AIConfigurator", "aisimulate": "AISimulate"}[package],
        engine_version=metadata.version(package),
        model=_facts(spelled) if spelled else None,
        similar=tuple(difflib.get_close_matches(model, known, n=3, cutoff=0.5)),
        databases=dict(_databases(databases, system)) if system else {},
        systems=tuple(sorted(name for name in common.SupportedSystems if dict(_databases(databases, name)))),
    )


def _databases(perf_database: ModuleType, system: str) -> Iterator[tuple[Backend, str]]:
    for backend in ENGINES:
        try:
            yield backend, perf_database.resolve_query_version(system, backend.value, VERSION_SLOT)
        except ValueError:  # no data of this backend for the system
            continue


def _facts(model: str) -> ModelFacts:
    info = _module("sdk.utils").get_model_config_from_model_path(model)
    plain = not any(info["raw_config"].get(key) for key in _HYBRID_ATTENTION)
    return ModelFacts(
        model=model,
        context_length=int(info["context"]),
        kv_values_per_token=2 * int(info["layers"]) * int(info["n_kv"]) * int(info["d"]) if plain else None,
        experts=int(info["num_experts"] or 0),
    )


def search(wanted: Search) -> Found:
    """Ask AIC for the rows of one engine and mode.

    The request's own targets come first. Where AIC finds nothing that meets the TTFT target, it is asked again for
    what comes closest, because an answer is wanted all the same.

    Raises:
        Exception: Whatever AIC raises when it cannot model the request at all; the message says what.
    """
    no_results = _module("sdk.errors").NoResultsError
    try:
        rows = _rows(wanted, wanted.ttft, wanted.e2e_latency)
    except no_results as error:
        rows, reason = [], str(error)
    else:
        reason = ""
    if not rows:
        try:
            rows = list(_closest(wanted))
        except no_results as error:
            reason = str(error)
    return Found(rows, "" if rows else reason or "AIC finds no configuration")


def _closest(wanted: Search) -> Iterator[Row]:
    """Yield rows around the best TTFT there is, and rows without any TTFT target."""
    if wanted.mode is Mode.DISAGGREGATED:
        # Autoscale picks prefill workers by TTFT alone, the nearest when none meets the target; a plain sweep
        # keeps the prefill worker with the best throughput and never shows how low TTFT can be.
        nearest = _task(wanted, ttft=1e-3, itl=_UNBOUNDED_MS).run(autoscale=True).to_dict("records")
        lowest = min((float(row["ttft"]) for row in nearest), default=0.0)
        if lowest:
            yield from _rows(wanted, lowest * 1.001, None)
    yield from _rows(wanted, _UNBOUNDED_MS, None)


def _rows(wanted: Search, ttft: float | None, e2e_latency: float | None) -> list[Row]:
    targets = [] if wanted.itl is None else [wanted.itl]
    task = _task(
        wanted,
        ttft=e2e_latency * 0.95 if ttft is None and e2e_latency else ttft or _UNBOUNDED_MS,
        itl=[*targets, *_ITL_GRID, _UNBOUNDED_MS],
        request_latency=e2e_latency if wanted.osl > 1 else None,
    )
    rows: list[Row] = task.run().to_dict("records")
    return rows


def _task(wanted: Search, *, ttft: float, itl: float | list[float], request_latency: float | None = None) -> Any:
    """Build AIC's Task. ``pareto_sweep=False`` with a list of ITL targets: AIC's own grid leaves ours out."""
    workers = ("",) if wanted.mode is Mode.AGGREGATED else ("prefill_", "decode_")
    identity = {
        "model_path": wanted.model,
        "system_name": wanted.system,
        "backend_name": wanted.backend.value,
        "backend_version": VERSION_SLOT,
    }
    return _module("sdk.task_v2").Task(
        serving_mode="agg" if wanted.mode is Mode.AGGREGATED else "disagg",
        **{f"{role}{key}": value for role in workers for key, value in identity.items()},
        total_gpus=wanted.total_gpus,
        isl=wanted.isl,
        osl=wanted.osl,
        ttft=ttft,
        tpot=itl,
        request_latency=request_latency,
        pareto_sweep=False,
    )
