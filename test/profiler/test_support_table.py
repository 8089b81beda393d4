"""The documents' support table, and what becomes of every SKU with every engine.

Sources of the expectation, written down by hand: deployment-overview.md, "GPU SKUs" (supported by rapid; not yet; "some
rapid-mode SKUs use AIC estimate-only data"), dgdr-reference.md, "SKU Format", and AIC 0.12's own lists: its system
specifications (``systems/*.yaml``) and the versions of its data (``systems/query_versions.yaml``).
"""

from functools import partial
from operator import call

import pytest

from dgdr_api.gpus import GPUS
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.simulation.aic import survey as aic
from dgdr_controller.profiler.simulation.aic.package import PRELOAD
from dgdr_controller.profiler.simulation.messages import ENGINES, Survey
from dgdr_controller.profiler.simulation.worker_pool import Answered, WorkerPool

MEASURED, LIMITS, MEMORY = "measured", "limits", "memory fit"

ALL_MEASURED = dict.fromkeys(ENGINES, MEASURED)
ALL_LIMITS = dict.fromkeys(ENGINES, LIMITS)
ALL_MEMORY = dict.fromkeys(ENGINES, MEMORY)

SUPPORT = {
    # "Supported (rapid)", and AIC has data.
    "h100_sxm": ALL_MEASURED,
    "h200_sxm": ALL_MEASURED,
    "a100_sxm": ALL_MEASURED,
    "b200_sxm": ALL_MEASURED,
    "gb200": ALL_MEASURED,  # the documents' gb200_sxm, a deprecated name of it
    "l40s": ALL_MEASURED,
    # "Supported (rapid)" by "AIC estimate-only data": AIC has their specification alone.
    "h100_pcie": ALL_LIMITS,
    "a100_pcie": ALL_LIMITS,
    "a30": ALL_LIMITS,
    "l4": ALL_LIMITS,
    # "Not Yet Supported (use thorough)".
    "v100_sxm": ALL_MEMORY,
    "v100_pcie": ALL_MEMORY,
    "t4": ALL_MEMORY,
    "mi200": ALL_MEMORY,
    "mi300": ALL_MEMORY,
    # Not in the table, but a supported value of the reference; AIC has no specification.
    "l40": ALL_MEMORY,
    # Not in the documents; AIC has data.
    "gb300": ALL_MEASURED,
    "b300_sxm": ALL_MEASURED,
    "rtx_pro_6000_server": ALL_MEASURED,
    # Not in the documents; AIC has data for vLLM alone. Limits would stand beside it only where vLLM is not asked for;
    # AIC itself calls the other two engines unsupported on this system.
    "b60": ALL_MEMORY | {Backend.VLLM: MEASURED},
    # Not in the documents, nor among AIC's systems.
    "vr_nvl72": ALL_MEMORY,
    "h200_nvl": ALL_MEMORY,
    "h100_nvl": ALL_MEMORY,
    "h20_sxm": ALL_MEMORY,
    "gh200": ALL_MEMORY,
    "a10": ALL_MEMORY,
    "gb10": ALL_MEMORY,
}


@pytest.fixture(scope="module")
def surveys() -> dict[str, Survey]:
    known = "{gpu.sku: survey('Qwen/Qwen3-8B', None, gpu.aic_system) for gpu in gpus}"
    question = partial(eval, known, {"survey": aic.survey, "gpus": GPUS})
    (answer,) = (
        event.answer
        for event in WorkerPool(preload=PRELOAD).run(call, [question], deadline_s=120)
        if isinstance(event, Answered)
    )
    found: dict[str, Survey] = answer
    return found


def test_every_sku_is_in_the_table() -> None:
    assert {gpu.sku for gpu in GPUS} == set(SUPPORT)


@pytest.mark.aic
@pytest.mark.parametrize("sku", SUPPORT)
def test_engines_are_estimated_from_what_aic_has(surveys: dict[str, Survey], sku: str) -> None:
    known = surveys[sku]
    found = {
        engine: MEASURED if engine in known.databases else LIMITS if engine in known.limits else MEMORY
        for engine in ENGINES
    }
    assert found == SUPPORT[sku]


@pytest.mark.aic
def test_version_of_an_engine_without_data_is_that_of_a_system_with_data(surveys: dict[str, Survey]) -> None:
    assert surveys["l4"].limits == surveys["h100_sxm"].databases
