"""Between the points of a curve. Pure."""

from bisect import bisect_right
from collections.abc import Sequence


def interpolated(value: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Return where a curve through points is at a value: straight between two of them, level beyond the outermost.

    Args:
        value: Where to look.
        xs: Of the points, rising.
        ys: Of the points.
    """
    if value <= xs[0]:
        return ys[0]
    if value >= xs[-1]:
        return ys[-1]
    upper = bisect_right(xs, value)
    left, right = xs[upper - 1], xs[upper]
    return ys[upper - 1] + (ys[upper] - ys[upper - 1]) * (value - left) / (right - left)
