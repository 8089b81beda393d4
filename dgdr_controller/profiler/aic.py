"""The adapter to AIConfigurator: the only module that imports it.

The same classes live under two names, ``aisimulate`` (newer) and ``aiconfigurator`` (0.12, the last of its line);
whichever is installed is used. Everything here runs inside a worker process: AIC loads hundreds of megabytes,
logs freely and may call ``sys.exit``.
"""

import difflib
import importlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.model.aliases import ALIASES
from dgdr_controller.profiler.search import Found, Row, Search, Survey

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

_MOST_STEPS = 12
"""Most questions asked on the way down to the lowest latency."""

PRELOAD = ("aisimulate.sdk.task_v2", "aiconfigurator.sdk.task_v2")
"""What every search imports, under both names; the one that is not installed is passed over."""


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


def survey(model: str, folder: Path | None, system: str | None) -> Survey:
    """Tell what AIC knows of a model and of a system.

    Args:
        model: Its id.
        folder: Where its config is; None: AIC has to know the id.
        system: AIC's name of the system; None: it has no such system.
    """
    common, databases = _module("sdk.common"), _module("sdk.perf_database")
    known, reason = models(), ""
    simulated_as = _bundled(model, known) if folder is None else str(folder)
    content: dict[str, Any] | None = None
    if simulated_as is not None:
        try:
            content = _module("sdk.utils").get_model_config_from_model_path(simulated_as)["raw_config"]
        except (ValueError, KeyError, TypeError) as error:  # of a folder: what AIC cannot read it cannot simulate
            simulated_as, reason = None, " ".join(str(error).split())
    package = common.__name__.partition(".")[0].removesuffix("_core")
    return Survey(
        engine={"aiconfigurator": "AIConfigurator", "aisimulate": "AISimulate"}[package],
        engine_version=metadata.version(package),
        simulated_as=simulated_as,
        content=content if folder is None else None,
        reason=reason,
        similar=tuple(difflib.get_close_matches(model, known, n=3, cutoff=0.5)),
        databases=dict(_databases(databases, system)) if system else {},
        systems=tuple(sorted(name for name in common.SupportedSystems if dict(_databases(databases, name)))),
    )


def _bundled(model: str, known: Sequence[str]) -> str | None:
    """Return AIC's spelling of a model's id, or of the id of one that has the same shape."""
    aliases = {alias.lower(): target for alias, target in ALIASES.items()}
    wanted = aliases.get(model.lower(), model).lower()
    return next((name for name in known if name.lower() == wanted), None)


def models() -> list[str]:
    """Return the ids of all models that AIC knows without asking a hub."""
    return sorted(_module("sdk.common").get_default_models())


def _databases(perf_database: ModuleType, system: str) -> Iterator[tuple[Backend, str]]:
    for backend in ENGINES:
        try:
            yield backend, perf_database.resolve_query_version(system, backend.value, VERSION_SLOT)
        except ValueError:  # no data of this backend for the system
            continue


def search(wanted: Search) -> Found:
    """Ask AIC for the rows of one engine and mode.

    The request's own targets come first. Where no row meets them, AIC is asked what comes closest, because an answer
    is wanted all the same.

    Raises:
        Exception: A fault of AIC; that it cannot model a request is no fault but an answer.
    """
    try:
        rows = _ask(wanted, wanted.ttft, wanted.itl, wanted.e2e_latency)
        if not any(_meets(row, wanted) for row in rows):
            rows += _closest(wanted)
    except Exception as error:
        if _module("sdk.errors").is_expected_cli_error(error):
            return Found([], " ".join(str(error).split()))
        raise
    return Found(rows, "" if rows else "no configuration fits")


def _meets(row: Row, wanted: Search) -> bool:
    ttft, itl = _number(row, "ttft"), _number(row, "tpot")
    limits = (
        (ttft, wanted.ttft),
        (itl, wanted.itl),
        (ttft + itl * (wanted.osl - 1), wanted.e2e_latency),
    )
    return all(limit is None or value <= limit for value, limit in limits)


def _number(row: Row, column: str) -> float:
    return float(str(row[column]))


def _closest(wanted: Search) -> list[Row]:
    """Return rows without any target, and those of the lowest TTFT and of the lowest ITL."""
    rows = _ask(wanted, None, None, None)
    prompt = _lowest_ttft(wanted) if wanted.mode is Mode.DISAGGREGATED else None
    if prompt is None:
        rows += _descend(wanted, "ttft", rows, None)
    else:
        rows += _ask(wanted, prompt, None, None)
    return rows + _descend(wanted, "tpot", rows, prompt)


def _lowest_ttft(wanted: Search) -> float | None:
    """Return a TTFT target that only the quickest prefill worker meets.

    A plain sweep keeps the prefill worker with the best throughput and never shows how low TTFT can be; autoscale
    picks prefill workers by TTFT alone, the nearest when none meets the target.
    """
    nearest = _task(wanted, ttft=1e-3, itl=_UNBOUNDED_MS).run(autoscale=True).to_dict("records")
    return min((_number(row, "ttft") * 1.001 for row in nearest), default=None)


def _descend(wanted: Search, column: str, rows: list[Row], ttft: float | None) -> list[Row]:
    """Ask for less than the lowest value found until nothing is: each answer holds AIC's best by throughput only."""
    found: list[Row] = []
    for _ in range(_MOST_STEPS):
        values = [_number(row, column) for row in (*rows, *found)]
        if not values or min(values) <= 0:
            break
        lower = min(values) * 0.999
        step = _ask(wanted, lower, None, None) if column == "ttft" else _ask(wanted, ttft, lower, None, exactly=True)
        if not step:
            break
        found += step
    return found


def _ask(
    wanted: Search, ttft: float | None, itl: float | None, e2e_latency: float | None, *, exactly: bool = False
) -> list[Row]:
    """Ask AIC for rows under these targets, and at every point of the ITL grid unless exactly one is wanted.

    "Nothing meets the targets" is an empty answer here; that the model does not fit is not.
    """
    errors = _module("sdk.errors")
    grid = () if exactly else (*_ITL_GRID, _UNBOUNDED_MS)
    task = _task(
        wanted,
        ttft=e2e_latency * 0.95 if e2e_latency and ttft is None else ttft or _UNBOUNDED_MS,
        itl=[*([itl] if itl else []), *grid],
        request_latency=e2e_latency if wanted.osl > 1 else None,
    )
    try:
        rows: list[Row] = task.run().to_dict("records")
    except errors.NoFeasibleConfigError:
        return []
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
        **{f"{role or 'agg_'}cp_candidates": [1] for role in workers},  # no engine's table has a flag for more
    )
