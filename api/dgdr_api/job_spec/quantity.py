"""How much a Kubernetes quantity is."""

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:(?P<unit>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,4}))?"
)
"""Kubernetes' grammar; the schema's pattern also takes ``1e1.5``, which no API server does."""
_UNITS = {unit: Decimal(1000) ** power for power, unit in enumerate("num kMGTPE", -3)} | {
    f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)
}
_LONGEST_QUANTITY = 100
"""Nothing has more digits; Kubernetes rounds them away."""
_BITS = 63
"""An integer of more is a float to the API server."""
NO_QUANTITY = 'must be a quantity such as "500m", "1" or "8Gi"'


def amount(quantity: int | str) -> Decimal:
    """Return how much a quantity is.

    Raises:
        ValueError: It is no quantity.
    """
    if isinstance(quantity, int) and quantity.bit_length() <= _BITS:
        return Decimal(quantity)
    text = quantity if isinstance(quantity, str) and len(quantity) <= _LONGEST_QUANTITY else ""
    matched = _QUANTITY.fullmatch(text)
    if matched is None:
        raise ValueError(NO_QUANTITY)
    number, unit, exponent = matched.group("number", "unit", "exponent")
    return Decimal(f"{number}e{exponent}") if exponent else Decimal(number) * _UNITS[unit or " "]
