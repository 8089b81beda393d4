"""Where AIC's modules are found.

The same classes live under two names, ``aisimulate`` (newer) and ``aiconfigurator`` (0.12, the last of its line);
whichever is installed is used.
"""

import functools
import importlib
from types import ModuleType

VERSION_SLOT = "current"
"""AIC's alias for the newest complete set of performance data of a backend."""

COMPLETE_SYSTEM = "h100_sxm"
"""A system with measured data for every backend. AIC defines no versions for a system without data; it is asked for
those of this one."""

PRELOAD = ("dgdr_controller.profiler.simulation.aic.preload",)
"""What the process that workers are forked from imports."""


@functools.cache
def module(path: str) -> ModuleType:
    """Import a module of AIC under whichever of its names is installed."""
    try:
        return importlib.import_module(f"aisimulate.{path}")
    except ModuleNotFoundError as error:
        if error.name != "aisimulate":
            raise
    return importlib.import_module(f"aiconfigurator.{path}")
