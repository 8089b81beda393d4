"""Numbers in sentences: no more digits than carry meaning."""

import math


def milliseconds(value: float) -> str:
    """Write an estimated latency with its unit and no more digits than carry meaning."""
    return f"{significant(value)}ms"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with this many significant digits and without an exponent (1740.6 → ``1740``)."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "∞"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    text = f"{rounded:.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(value: float) -> str:
    """Write a number that a person wrote, as they wrote it: all its digits, no exponent."""
    return significant(value, digits=12)


def distinct(value: float, other: float) -> str:
    """Write a value with as many digits as it takes to tell it from another."""
    return next((text for n in range(3, 13) if (text := significant(value, n)) != exact(other)), exact(value))


def percentage(share: float) -> str:
    """Write a share below 1 as a percentage that is neither all nor nothing."""
    return f"{math.floor(share * 100)}%" if share >= 0.01 else "less than 1%"  # noqa: PLR2004


def likelihood(chance: float) -> str:
    """Write a chance from 0 to 1 as a percentage that is never certain."""
    return f"{min(99, max(1, math.floor(chance * 100 + 0.5)))} %"
