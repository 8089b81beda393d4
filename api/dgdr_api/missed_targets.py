"""Which latency targets are missed, in words."""

from collections.abc import Iterator

from dgdr_api.defaults import Effective
from dgdr_api.formatting import exact, significant


def missed_targets(ttft: float, itl: float, applied: Effective, *, defaults: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the targets that latencies miss, each with by what: ``TTFT``, ``TTFT 312 > 300 ms``.

    Args:
        ttft: Time to first token in ms.
        itl: Time between tokens in ms.
        applied: The targets, and the output length.
        defaults: Whether targets count that the user did not write.
    """
    latency = ttft + itl * (applied.osl.value - 1)
    reached = (("TTFT", ttft, applied.ttft), ("ITL", itl, applied.itl), ("E2E latency", latency, applied.e2e_latency))
    for name, value, target in reached:
        if target is not None and value > target.value and (defaults or target.explicit):
            default = "" if target.explicit else " (default)"
            yield name, f"{name} {significant(value)} > {exact(target.value)} ms{default}"
