"""``make bench-limits``: how far engines stay below a GPU's limits, by AIC's measured data, beside our correction.

Prints measured over corrected times by kind of operator and for whole steps: what the docstrings in
``dgdr_controller/profiler/simulation/aic/limits.py`` state.
"""

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import call

from dgdr_api.candidate import Mode, Role
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.profiler.simulation.aic.estimates import Estimator
from dgdr_controller.profiler.simulation.aic.limits import Correction, Kind
from dgdr_controller.profiler.simulation.aic.package import PRELOAD, VERSION_SLOT, module
from dgdr_controller.profiler.simulation.aic.task import task_of
from dgdr_controller.profiler.simulation.messages import ENGINES, Search
from dgdr_controller.profiler.simulation.operating_points import Point
from dgdr_controller.profiler.simulation.shapes import Parallel
from dgdr_controller.profiler.simulation.worker_pool import Answered, Refused, WorkerPool

SYSTEMS = ("h100_sxm", "h200_sxm", "a100_sxm", "l40s")
MODELS = ("Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "meta-llama/Meta-Llama-3.1-70B", "Qwen/Qwen3-30B-A3B")
_LENGTHS = (1000, 4000)
_OSL = 200
_BATCHES = {Role.PREFILL: (1, 4), Role.DECODE: (1, 4, 16, 64)}
_GPUS, _MOST_TP = 16, 8
_WHOLE = "whole step"
_DEADLINE_S = 300


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an engine, by measured data and by corrected limits; ms by kind of operator."""

    system: str
    backend: Backend
    model: str
    role: Role
    gpus: int
    measured: Mapping[str, float]
    corrected: Mapping[str, float]

    def ratios(self) -> Iterator[tuple[str, float]]:
        """Yield measured over corrected, for each kind that there is and for all together."""
        for kind, ms in self.corrected.items():
            if ms and self.measured.get(kind):
                yield kind, self.measured[kind] / ms
        yield _WHOLE, sum(self.measured.values()) / sum(self.corrected.values())


def steps(system: str, backend: Backend, model: str) -> list[Step]:
    """Estimate all steps that fit in memory, twice; runs in a worker process.

    Raises:
        Exception: AIC has no data for it.
    """
    found: list[Step] = []
    version = module("sdk.perf_database").resolve_query_version(system, backend.value, VERSION_SLOT)
    by_data = Search(
        model=model, system=system, backend=backend, mode=Mode.DISAGGREGATED, total_gpus=_GPUS, nodes=Nodes(8),
        usable_gib=0, kv_heads=None, isl=_LENGTHS[0], osl=_OSL,
    )  # fmt: skip
    by_limits = dataclasses.replace(by_data, limits_version=version)
    for role, batches in _BATCHES.items():
        pair = [Estimator.of(task_of(search), search, role) for search in (by_data, by_limits)]
        for parallel, isl in itertools.product(_shapes(pair), _LENGTHS):
            found += _steps(pair, parallel, isl, batches)
    return found


def _shapes(pair: Sequence[Estimator]) -> list[Parallel]:
    """Return the parallelisms of both: without pipelines, attention in slices or in copies."""
    first, second = (estimator.shapes for estimator in pair)
    return [p for p in first if p in second and p[1] == 1 and p[0] <= _MOST_TP and 1 in (p[0], p[2])]


def _steps(pair: Sequence[Estimator], parallel: Parallel, isl: int, batches: Sequence[int]) -> Iterator[Step]:
    wanted, role = pair[0].wanted, pair[0].role
    missing = module("sdk.errors").PerfDataNotAvailableError
    try:
        config = pair[0].config(parallel)
        model = module("sdk.models").get_model(
            model_path=wanted.model, model_config=config, backend_name=wanted.backend.value
        )
        measured, corrected = (estimator.predictor(estimator.config(parallel), isl=isl) for estimator in pair)
    except (ValueError, missing):  # sizes that do not divide, engines that span nodes without data for it
        return
    correction = Correction.of(model, pair[0].database)
    for batch in batches:
        try:
            summaries = [measured(Point(batch)), corrected(Point(batch))]
        except missing:
            continue
        if summaries[0].check_oom():
            continue
        times = [
            summary.get_context_latency_dict() if role is Role.PREFILL else summary.get_generation_latency_dict()
            for summary in summaries
        ]
        by_kind = [
            {kind.value: sum(ms for name, ms in taken.items() if correction.kind_of(name) is kind) for kind in Kind}
            for taken in times
        ]
        gpus = parallel[0] * parallel[2]
        yield Step(wanted.system, wanted.backend, wanted.model, role, gpus, by_kind[0], by_kind[1])


def quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return 10th percentile, median and 90th percentile."""
    ordered = sorted(values)
    low, middle, high = (ordered[round((len(ordered) - 1) * share)] for share in (0.1, 0.5, 0.9))
    return low, middle, high


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="AIC's names, separated by commas")
    asked = parser.parse_args()
    groups: dict[tuple[str, ...], list[float]] = {}
    combinations = itertools.product(asked.systems.split(","), ENGINES, MODELS)
    for event in WorkerPool(preload=PRELOAD).run(
        call, [partial(steps, *combination) for combination in combinations], _DEADLINE_S
    ):
        match event:
            case Answered(answer=found):
                for step in found:
                    for kind, ratio in step.ratios():
                        by = f"{step.system} {step.gpus} GPUs" if kind == Kind.COMMUNICATION else step.model
                        groups.setdefault((step.role, kind, by), []).append(ratio)
            case Refused(item=item, error=error, message=message):
                print(f"{' '.join(map(str, item.args))}: {error}: {message}")
    print(f"{'measured over corrected':<80} {'steps':>6} {'10 %':>6} {'50 %':>6} {'90 %':>6}")
    for group, ratios in sorted(groups.items()):
        low, middle, high = quantiles(ratios)
        print(f"{' '.join(group):<80} {len(ratios):>6} {low:>6.2f} {middle:>6.2f} {high:>6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
