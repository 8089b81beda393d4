"""What AIC knows of a model and of a system, before anything is estimated."""

import difflib
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.model.aliases import ALIASES
from dgdr_controller.profiler.simulation.aic.package import COMPLETE_SYSTEM, VERSION_SLOT, module
from dgdr_controller.profiler.simulation.messages import ENGINES, Survey


def survey(model: str, folder: Path | None, system: str | None) -> Survey:
    """Tell what AIC knows of a model and of a system.

    Args:
        model: Its id.
        folder: Where its config is; None: AIC has to know the id.
        system: AIC's name of the system; None: it has no such system.
    """
    common, databases = module("sdk.common"), module("sdk.perf_database")
    known, reason = models(), ""
    simulated_as = _bundled(model, known) if folder is None else str(folder)
    content: dict[str, Any] | None = None
    if simulated_as is not None:
        try:
            content = module("sdk.utils").get_model_config_from_model_path(simulated_as)["raw_config"]
        except (ValueError, KeyError, TypeError) as error:  # of a folder: what AIC cannot read it cannot simulate
            simulated_as, reason = None, " ".join(str(error).split())
    measured = dict(_databases(databases, system)) if system else {}
    package = common.__name__.partition(".")[0].removesuffix("_core")
    return Survey(
        engine={"aiconfigurator": "AIConfigurator", "aisimulate": "AISimulate"}[package],
        engine_version=metadata.version(package),
        simulated_as=simulated_as,
        content=content if folder is None else None,
        reason=reason,
        similar=tuple(difflib.get_close_matches(model, known, n=3, cutoff=0.5)),
        databases=measured,
        limits=dict(_databases(databases, COMPLETE_SYSTEM)) if system and not measured else {},
    )


def _bundled(model: str, known: Sequence[str]) -> str | None:
    """Return AIC's spelling of a model's id, or of the id of one that has the same shape."""
    aliases = {alias.lower(): target for alias, target in ALIASES.items()}
    wanted = aliases.get(model.lower(), model).lower()
    return next((name for name in known if name.lower() == wanted), None)


def models() -> list[str]:
    """Return the ids of all models that AIC knows without asking a hub."""
    return sorted(module("sdk.common").get_default_models())


def _databases(perf_database: ModuleType, system: str) -> Iterator[tuple[Backend, str]]:
    for backend in ENGINES:
        try:
            yield backend, perf_database.resolve_query_version(system, backend.value, VERSION_SLOT)
        except ValueError:  # no data of this backend for the system
            continue
