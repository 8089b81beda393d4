"""Which latency targets a measurement misses, in words."""

from collections.abc import Iterator

from dgdr_api.defaults import Effective
from dgdr_api.formatting import exact, significant
from dgdr_api.trials import MeasuredPoint


def missed_targets(point: MeasuredPoint, applied: Effective, *, defaults: bool = True) -> Iterator[str]:
    """Yield the targets that a measurement misses, and by what: ``TTFT 312 > 300 ms``.

    Args:
        point: What was measured.
        applied: The targets, and the output length.
        defaults: Whether targets count that the user did not write.
    """
    latency = point.ttft + point.itl * (applied.osl.value - 1)
    reached = (
        ("TTFT", point.ttft, applied.ttft),
        ("ITL", point.itl, applied.itl),
        ("E2E latency", latency, applied.e2e_latency),
    )
    for name, value, target in reached:
        if target is not None and value > target.value and (defaults or target.explicit):
            default = "" if target.explicit else " (default)"
            yield f"{name} {significant(value)} > {exact(target.value)} ms{default}"
