"""Which parallelisms are looked at. Pure."""

from collections.abc import Sequence

Parallel = tuple[int, int, int, int, int, int]
"""tp, pp, dp, moe_tp, moe_ep, cp."""


def usual(known: Sequence[Parallel], node: int) -> list[Parallel]:
    """Return the parallelisms that people deploy; an unusual one only where no usual one has as many GPUs.

    Unusual is a pipeline within a node, whose GPUs are close enough for tensor parallelism, and experts that are both
    cut apart and spread: no recipe of Dynamo's has them, and the simulator has measured them least.

    Args:
        known: What the simulator knows.
        node: GPUs of one node.
    """
    flat = {_gpus(shape) for shape in known if shape[1] == 1}
    shapes = [shape for shape in known if shape[1] == 1 or _gpus(shape) > node or _gpus(shape) not in flat]
    pure = {shape[:3] for shape in shapes if not _mixes_experts(shape)}
    return [shape for shape in shapes if not _mixes_experts(shape) or shape[:3] not in pure]


def _gpus(shape: Parallel) -> int:
    tp, pp, dp, _, _, cp = shape
    return tp * pp * dp * cp


def _mixes_experts(shape: Parallel) -> bool:
    _, _, _, moe_tp, moe_ep, _ = shape
    return moe_tp > 1 and moe_ep > 1
