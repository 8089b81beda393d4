"""Imported once by the process that all workers are forked from: what every one of them would do first.

No database is loaded here: AIC's engine may start threads, and a process with threads is not to be forked.
"""

import contextlib
import importlib
import logging
import warnings

import yaml

from dgdr_controller.profiler.simulation.aic.package import COMPLETE_SYSTEM, VERSION_SLOT, module
from dgdr_controller.profiler.simulation.messages import ENGINES

# What AIC says of its data is no message for who wrote a request. Here alone: it is off for the whole process.
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")

if hasattr(yaml, "CSafeLoader"):
    # AIC reads hundreds of small YAML files again and again; the C parser does so eight times as fast.
    yaml.SafeLoader = yaml.CSafeLoader  # type: ignore[assignment,misc]

with contextlib.suppress(ModuleNotFoundError):  # the survey tells that AIC is not installed
    importlib.import_module("dgdr_controller.profiler.simulation.search")
    module("sdk.task_v2")
    # Which versions of the data there are, over all systems: AIC keeps what it has worked out.
    for engine in ENGINES:
        module("sdk.perf_database").resolve_query_version(COMPLETE_SYSTEM, engine.value, VERSION_SLOT)
