"""From the limits of a GPU to what engines reach on it.

Of some GPUs AIC has a specification and no measured data. There it computes how long an operator takes at least (its
database mode SOL, "speed of light"): bytes over bandwidth, operations over peak rate. Engines take longer. How much
longer is measured where AIC has data and specification both, and applied here to each operator of a step.

Measured with AIC 0.12.0 on h100_sxm, h200_sxm, a100_sxm and l40s, for Qwen3-8B, Qwen3-32B, Llama-3.1-70B and
Qwen3-30B-A3B, with vLLM, SGLang and TensorRT-LLM: every parallelism of up to 16 GPUs, prompts and contexts of 1000 and
4000 tokens, batches of 1 and 4 (prefill) and 1 to 64 (decode); 3,965 steps that fit in memory, each by measured data
and by limits. Ratios below are measured over corrected, as 10th percentile, median and 90th percentile.

Whole steps:

==================== ================ ================
measured over        limits           corrected limits
==================== ================ ================
dense, prefill       1.28, 1.43, 5.39 0.84, 0.94, 1.09
dense, decode        1.32, 1.70, 3.04 0.94, 1.02, 1.24
experts, prefill     1.82, 2.60, 14.0 0.77, 0.99, 1.45
experts, decode      1.23, 2.33, 7.16 0.74, 1.03, 1.75
==================== ================ ================

One factor for all would not do: what is slow besides kernels does not depend on how fast a GPU is, and links without
NVLink are as far as 20 times from their limit. Between engines the ratios of dense models hardly differ. A part is
measured again by ``test/profiler/simulation/test_limits.py``, all of it by ``make bench-limits``.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dgdr_api.candidate import Role, Source

MODE = "SOL"
"""AIC's database mode that needs a specification alone; HYBRID and EMPIRICAL need data of the system."""

SOURCES = [Source.EMPIRICAL.value]
"""What rows say, whatever AIC calls the sources of single operators in this mode (silicon is among them)."""


class Kind(StrEnum):
    """Kinds of operators that are slower than their limit in different ways."""

    COMPUTATION = "computation"
    EXPERTS = "experts"
    COMMUNICATION = "communication"


_KINDS = {
    **dict.fromkeys(("MoE", "MoEExpertCompute"), Kind.EXPERTS),
    **dict.fromkeys(("CustomAllReduce", "NCCL", "P2P", "MoEDispatch", "MoEAllToAll"), Kind.COMMUNICATION),
}
"""Kind of AIC's operators by their class; all others compute."""


_EACH_LAYER = "each layer's "
"""Before a kind: what its operators take besides."""


@dataclass(frozen=True, slots=True)
class Slowdown:
    """How much longer operators of a kind take than at least.

    Attributes:
        factor: Times the limit.
        per_layer_us: Microseconds for each layer of the model in each step, whatever is computed: starts of kernels,
            and messages that are too small to fill a link.
    """

    factor: float
    per_layer_us: float


PREFILL = {
    Kind.COMPUTATION: Slowdown(1.4, 80),
    Kind.EXPERTS: Slowdown(3.2, 40),
}
"""Steps with prompts. Computation: 0.93, 1.07, 1.24. Experts: 0.59, 1.01, 2.56 – their kernels differ most between
engines."""

DECODE = {
    Kind.COMPUTATION: Slowdown(1.2, 35),
    Kind.EXPERTS: Slowdown(1.05, 27),
}
"""Steps without prompts. Computation: 0.82, 0.99, 1.25; one factor without the time for each layer, 1.7, leaves 0.75,
1.00, 2.52. Experts: 0.56, 0.99, 1.53 – AIC's limit loads more experts than a batch of a few tokens uses."""

NVLINK = Slowdown(1.7, 12)
"""Communication over NVLink, of any number of GPUs: 0.62, 1.00, 2.19."""

PCIE = {2: Slowdown(1.7, 14), 4: Slowdown(8, 25), 8: Slowdown(20, 50)}
"""Communication over PCIe by the number of GPUs, from l40s alone: the one system with data and without NVLink.

Two GPUs: 0.85, 1.00, 1.30; four: 0.74, 1.01, 1.10; eight: 0.74, 1.11, 1.74. The limit is that of one link, but messages
of more than two GPUs cross the bridges of the host.
"""

DENSE_ERROR_PERCENT, EXPERTS_ERROR_PERCENT = 30, 60
"""How far most corrected steps are at most from what measured data gives.

For nine in ten it is 22 % with dense models and 62 % with mixtures of experts (without NVLink 26 and 40 %). It comes on
top of the error of measured data itself (docs/explanation/what-estimates-are-worth.md).
"""


@dataclass(frozen=True, slots=True)
class Correction:
    """Corrects the steps of one worker.

    Attributes:
        operators: Role whose steps an operator belongs to, and its kind, by name.
        communication: Slowdown of communication between the worker's GPUs.
        layers: Layers of the model.
    """

    operators: Mapping[str, tuple[Role, Kind]]
    communication: Slowdown
    layers: int

    @classmethod
    def of(cls, model: Any, database: Any) -> "Correction":
        """Return the correction for a worker: AIC's model, which has its parallelism, and its database."""
        config, node = model.config, database.system_spec["node"]
        gpus = config.tp_size * config.attention_dp_size * config.cp_size
        has_nvlink = node["intra_node_bw"] > node["pcie_bw"]
        # AIC has no public name for the name of an operator and for the number of layers.
        names = {
            operator._name: (role, _KINDS.get(type(operator).__name__, Kind.COMPUTATION))  # noqa: SLF001
            for role, operators in ((Role.PREFILL, model.context_ops), (Role.DECODE, model.generation_ops))
            for operator in operators
        }
        communication = NVLINK if has_nvlink else PCIE[min((size for size in PCIE if size >= gpus), default=max(PCIE))]
        return cls(names, communication, model._num_layers)  # noqa: SLF001

    def corrected(self, times: Mapping[str, float], role: Role, steps: int = 1) -> dict[str, float]:
        """Return what operators take, and what comes on top for each layer; all in ms.

        Args:
            times: By operator, at least.
            role: Prefill: the steps have prompts in them, be it beside sequences that decode.
            steps: How many steps the times are the sum of.
        """
        slowed = {name: ms * self._slowdown(*self._operator(name, role)).factor for name, ms in times.items()}
        occurring = {self._operator(name, role)[1] for name, ms in times.items() if ms}
        for kind in sorted(occurring):  # sums must not depend on the order of a set
            slowed[_EACH_LAYER + kind] = self._slowdown(role, kind).per_layer_us * self.layers * steps / 1000
        return slowed

    def kind_of(self, name: str) -> Kind:
        """Return the kind of an operator, or of what comes on top for each layer."""
        if name.startswith(_EACH_LAYER):
            return Kind(name.removeprefix(_EACH_LAYER))
        return self._operator(name, Role.PREFILL)[1]

    def _operator(self, name: str, role: Role) -> tuple[Role, Kind]:
        return self.operators.get(name, (role, Kind.COMPUTATION))

    def _slowdown(self, role: Role, kind: Kind) -> Slowdown:
        if kind is Kind.COMMUNICATION:
            return self.communication
        return (PREFILL if role is Role.PREFILL else DECODE)[kind]


def correct_steps(backend: Any, correction: Correction) -> None:
    """Have AIC's backend compute an aggregated worker from corrected steps: its schedule of steps stays as it is."""
    mixed, decode = backend.run_mixed, backend._get_genonly_step_latency  # noqa: SLF001 - AIC has no public one

    def run_mixed(*args: Any, **kwargs: Any) -> Any:
        estimate = mixed(*args, **kwargs)
        times = correction.corrected(estimate.per_op_latency_ms, Role.PREFILL)
        return dataclasses.replace(estimate, latency_ms=sum(times.values()), per_op_latency_ms=times)

    def run_decode(*args: Any, **kwargs: Any) -> Any:
        _, energy, limits, *other = decode(*args, **kwargs)
        times = correction.corrected(limits, Role.DECODE)
        return (sum(times.values()), energy, times, *other)

    backend.run_mixed, backend._get_genonly_step_latency = run_mixed, run_decode  # noqa: SLF001


def correct_phase(summary: Any, correction: Correction, role: Role, osl: int) -> Any:
    """Correct what AIC's summary says of a prefill or a decode worker, and return it."""
    if role is Role.PREFILL:
        summary.set_context_latency_dict(correction.corrected(summary.get_context_latency_dict(), role))
    else:
        steps = correction.corrected(summary.get_generation_latency_dict(), role, osl - 1)
        summary.set_generation_latency_dict(steps)
    return summary
