"""Sentences that users read in conditions and warnings: each wording has its one place here.

The sentences of SLAWarning and ConfigurationWarning are those of the design proposal ("Warning Conditions").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.model import ApiModel


class RequestWarning(ApiModel):
    """A warning on a request that was served all the same: the type of its condition and the message."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A latency target that the deployed configuration misses; all values in ms.

    Attributes:
        name: Name of the latency.
        target: What was wanted.
        reached: What the deployed configuration reaches.
        lowest: What the best configuration for this target alone reaches.
    """

    name: str
    target: float
    reached: float
    lowest: float


class SLAWarning:
    """Warnings about targets and load that cannot be met."""

    TYPE = "SLAWarning"

    @classmethod
    def closest(cls, missed: Sequence[Missed], configuration: str) -> RequestWarning:
        """Name every missed target with the closest value there is, and with what is deployed where that differs.

        A target that some configuration meets is missed only in company: then the sentence says so.
        """
        wanted = " and ".join(f"{m.name}={exact(m.target)}ms" for m in missed)
        in_company = any(m.lowest <= m.target for m in missed)
        values = [m.reached if in_company else m.lowest for m in missed]
        closest = ", ".join(f"{m.name}={_distinct(v, m.target)}ms" for m, v in zip(missed, values, strict=True))
        reached = ", ".join(f"{m.name}={_distinct(m.reached, m.target)}ms" for m in missed)
        aside = "" if closest == reached else f"; deployed: {reached}"
        return RequestWarning(
            type=cls.TYPE,
            message=f"Cannot meet {wanted}{' with the other targets' if in_company else ''} with this model/hardware. "
            f"Closest achievable: {closest} ({configuration}{aside}). Deploying with best available configuration",
        )

    @classmethod
    def share_served(cls, load: str, share: float, gpus: int, *, within_targets: bool) -> RequestWarning:
        """Say which share of the load the whole budget serves."""
        targets = " within the latency targets" if within_targets else ""
        return RequestWarning(
            type=cls.TYPE,
            message=f"Cannot serve {load} with {gpus} GPU{'s' if gpus > 1 else ''}{targets}. "
            f"Closest achievable: {_share(share)} of it. Deploying with best available configuration",
        )


class ConfigurationWarning:
    """Warnings about configurations that are not what the user may expect."""

    TYPE = "ConfigurationWarning"

    @classmethod
    def note(cls, message: str) -> RequestWarning:
        """Carry a sentence that another module words."""
        return RequestWarning(type=cls.TYPE, message=message)


def milliseconds(value: float) -> str:
    """Write an estimated latency with its unit and no more digits than carry meaning."""
    return f"{significant(value)}ms"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with this many significant digits and without an exponent (1740.6 → ``1740``)."""
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return "∞"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    text = f"{rounded:.{max(0, places)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact(value: float) -> str:
    """Write a number that a person wrote, as they wrote it: all its digits, no exponent."""
    return significant(value, digits=12)


def _distinct(value: float, other: float) -> str:
    """Write a value with as many digits as it takes to tell it from another."""
    return next((text for n in range(3, 13) if (text := significant(value, n)) != exact(other)), exact(value))


def _share(share: float) -> str:
    """Write a share below 1 as a percentage that is neither all nor nothing."""
    return f"{math.floor(share * 100)}%" if share >= 0.01 else "less than 1%"  # noqa: PLR2004
