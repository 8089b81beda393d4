"""The measured deployments of a workload, as candidates that a rule can pick from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from dgdr_api.candidate import Candidate, Performance, Source, Worker
from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.selection.scaling import scale
from hack.calibration.measurements import Measurement
from hack.calibration.validate import Outcome

FEWEST_SHAPES = 3
"""Parallelisms of a workload: with fewer there is little to choose."""

PERCENTILES = (20, 40, 60, 80)
"""Of what was measured in a workload: where targets are."""

BUDGET = 2**16
"""GPUs: so many that no replica leaves a share of them idle that would count."""

_STEP_TOKENS = 8192
_MS = 1000


@dataclass(frozen=True)
class Option:
    """A measured deployment at one concurrency.

    Attributes:
        outcome: The measurement, its estimate, and what a table says that was fitted without its like.
    """

    outcome: Outcome

    @property
    def measured(self) -> Measurement:
        """What was measured."""
        return self.outcome.sample.measured

    @cached_property
    def candidate(self) -> Candidate:
        """The deployment with corrected numbers and their ranges, as a search would find it."""
        corrected = self.outcome.corrected
        return self.simulated.model_copy(
            update={
                "performance": corrected.applied(self.simulated.numbers),
                "simulated": self.simulated.numbers,
                "uncertainty": self.outcome.distributions.uncertainty(corrected.row.title),
            }
        )

    def promising(self, wanted: Goal) -> Candidate:
        """Return the candidate with the chances that it meets targets."""
        candidate = self.candidate
        chances = self.outcome.distributions.chances(wanted)
        uncertainty = candidate.uncertainty and candidate.uncertainty.model_copy(update={"chances": chances})
        return candidate.model_copy(update={"uncertainty": uncertainty})

    @cached_property
    def simulated(self) -> Candidate:
        """The deployment with the simulator's own numbers, with replicas for the budget."""
        measured, simulated = self.measured, self.outcome.sample.simulated
        tokens = simulated.tokens_per_s_per_gpu * measured.gpus
        found = Candidate(
            backend=measured.backend,
            backend_version=measured.version,
            mode=measured.mode,
            workers=tuple(
                Worker(
                    role=worker.role,
                    parallelism=worker.parallelism,
                    count=worker.count,
                    batch=worker.batch,
                    max_num_tokens=_STEP_TOKENS,
                )
                for worker in measured.workers
            ),
            replicas=1,
            context_length=measured.isl + measured.osl,
            performance=Performance(
                ttft=simulated.ttft,
                itl=simulated.itl,
                e2e=simulated.ttft + simulated.itl * (measured.osl - 1),
                tokens_per_s=tokens,
                tokens_per_s_per_gpu=simulated.tokens_per_s_per_gpu,
                tokens_per_s_per_user=_MS / simulated.itl,
                concurrency=measured.concurrency,
                request_rate=tokens / measured.osl,
            ),
            source=Source.MIXED,
        )
        return scale(found, goal(measured, OptimizationType.THROUGHPUT), BUDGET)

    def meets(self, wanted: Goal) -> bool:
        """Say whether it truly meets both targets."""
        ttft, itl = wanted.ttft, wanted.itl
        return (ttft is None or self.measured.ttft <= ttft.value) and (itl is None or self.measured.itl <= itl.value)

    def value(self, objective: OptimizationType) -> float:
        """Return what it truly is worth."""
        return merit(objective, self.measured.tokens_per_s_per_gpu, self.measured.itl)


def merit(objective: OptimizationType, tokens_per_s_per_gpu: float, itl: float) -> float:
    """Return tokens/s/GPU; for hybrid its product with tokens/s/user."""
    return tokens_per_s_per_gpu * (_MS / itl if objective is OptimizationType.HYBRID else 1.0)


def goal(
    measured: Measurement, objective: OptimizationType, ttft: float | None = None, itl: float | None = None
) -> Goal:
    """Return what is asked for, with targets in ms as a user writes them."""
    return Goal(
        isl=measured.isl,
        osl=measured.osl,
        objective=objective,
        ttft=None if ttft is None else Target(value=ttft, explicit=True),
        itl=None if itl is None else Target(value=itl, explicit=True),
    )


@dataclass(frozen=True, slots=True)
class Workload:
    """What can be chosen from for one model, precision, system and lengths.

    Attributes:
        options: The measured deployments.
    """

    options: tuple[Option, ...]

    def goals(self, objective: OptimizationType) -> Iterator[Goal]:
        """Yield the grid of targets, those that some deployment truly meets."""
        measured = [option.measured for option in self.options]
        grid = product(*(_percentiles([getattr(point, name) for point in measured]) for name in ("ttft", "itl")))
        for ttft, itl in grid:
            wanted = goal(measured[0], objective, ttft, itl)
            if any(option.meets(wanted) for option in self.options):
                yield wanted


def workloads(outcomes: Sequence[Outcome], backend: Backend | None = None) -> list[Workload]:
    """Return the workloads with enough parallelisms, of one engine or of all of them."""
    found: dict[object, list[Option]] = {}
    for outcome in outcomes:
        measured = outcome.sample.measured
        if backend in (None, measured.backend):
            found.setdefault(measured.workload, []).append(Option(outcome))
    return [
        Workload(tuple(options))
        for options in found.values()
        if len({(o.measured.backend, o.measured.mode, o.measured.shape) for o in options}) >= FEWEST_SHAPES
    ]


def _percentiles(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return sorted({ordered[round((len(ordered) - 1) * share / 100)] for share in PERCENTILES})
