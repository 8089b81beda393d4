"""Which load of a trial is measured next where nothing is estimated of it. Pure."""

import math
from collections.abc import Collection

_RISE = 4
"""Loads rise by this factor until one is not better than the one before."""
_BETWEEN = 1.5
"""Loads whose ratio is larger have one between them that is worth measuring."""


def next_load(measured: Collection[int], best: int, most: int) -> int | None:
    """Return the load to measure next, in requests in flight; None where no other one is worth it.

    Args:
        measured: Loads that were measured.
        best: The one among them that is chosen.
        most: The largest load.
    """
    if not measured:
        return 1
    if best == max(measured) < most:
        return min(most, best * _RISE)
    above = min((load for load in measured if load > best), default=None)
    below = max((load for load in measured if load < best), default=None)
    for low, high in ((best, above), (below, best)):
        if low is not None and high is not None and high / low > _BETWEEN:
            between = round(math.sqrt(low * high))
            if low < between < high:
                return between
    return None
