"""Requests, and the estimates that surfaces are made of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from dgdr_api.parse import parse_request
from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.hardware import HardwareOptions
from dgdr_controller.profiler.measurement.options import Option, options
from dgdr_controller.profiler.rapid import rapid
from dgdr_controller.profiler.request import plan_request

_ISL, _OSL = 4000, 1000


@dataclass(frozen=True, slots=True)
class Case:
    """A model on GPUs.

    Attributes:
        name: In a few words.
        model: Id of the model.
        backend: The engine, or auto.
        gpus: The budget.
        most_trials: Deployments that the search may make; the bar for a dense model is five.
        accepts: Says which options are searched.
    """

    name: str
    model: str
    backend: str
    gpus: int
    most_trials: int = 5
    accepts: Callable[[Option], bool] = lambda _: True

    def options(self) -> tuple[Option, ...]:
        """Return what can be deployed, as rapid estimates it."""
        return tuple(option for option in estimated(self.model, self.backend, self.gpus) if self.accepts(option))


@cache
def estimated(model: str, backend: str, gpus: int) -> tuple[Option, ...]:
    """Return what can be deployed of a model on H200 GPUs, as rapid estimates it."""
    manifest = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "bench"},
        "spec": {
            "model": model,
            "backend": backend,
            "hardware": {"gpuSku": "h200_sxm", "totalGpus": gpus, "numGpusPerNode": 8},
            "workload": {"isl": _ISL, "osl": _OSL},
        },
    }
    results = rapid(plan_request(parse_request(manifest), HardwareOptions()), lambda _: None)
    return tuple(options(candidate for candidate in results.candidates if candidate.is_offered))


DENSE = Case("dense, vLLM, 8 GPUs", "Qwen/Qwen3-32B", "vllm", 8)
CASES = (
    DENSE,
    Case(
        "dense, disaggregated",
        "Qwen/Qwen3-32B",
        "vllm",
        8,
        accepts=lambda option: len(option.trial.workers) > 1,
    ),
    Case("dense, all engines", "Qwen/Qwen3-32B", "auto", 8),
    Case("mixture of experts, 16 GPUs", "Qwen/Qwen3-235B-A22B", "sglang", 16),
)


def goals(names: str = "") -> Iterator[tuple[str, Goal]]:
    """Yield goals with a name: every objective with and without targets, and loads.

    Args:
        names: Only those whose name contains this.
    """
    written = {"ttft": Target(value=1000, explicit=True), "itl": Target(value=25, explicit=True)}
    default = {"ttft": Target(value=2000, explicit=False), "itl": Target(value=30, explicit=False)}
    loaded = {"itl": Target(value=30, explicit=True)}
    found: list[tuple[str, OptimizationType, Mapping[str, object]]] = [
        *((f"{objective}", objective, {}) for objective in OptimizationType),
        *((f"{objective} within written targets", objective, written) for objective in OptimizationType),
        *((f"{objective} with default targets", objective, default) for objective in OptimizationType),
        ("60 requests in flight", OptimizationType.HYBRID, loaded | {"concurrency": 60.0}),
        ("3 requests/s", OptimizationType.HYBRID, loaded | {"request_rate": 3.0}),
    ]
    for title, objective, fields in found:
        if names in title:
            yield title, Goal(isl=_ISL, osl=_OSL, objective=objective).model_copy(update=fields)
