"""Sentences that users read in conditions and warnings: each wording has its one place here.

The sentences of SLAWarning and ConfigurationWarning are those of the design proposal ("Warning Conditions").
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.model import ApiModel


class RequestWarning(ApiModel):
    """A warning on a request that was served all the same: the type of its condition and the message."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Missed:
    """A latency target that no configuration meets: its name, the target and the closest value, in ms."""

    name: str
    target: float
    closest: float


class SLAWarning:
    """Warnings about targets and load that cannot be met."""

    TYPE = "SLAWarning"

    @classmethod
    def closest(cls, missed: Sequence[Missed], configuration: str) -> RequestWarning:
        """Name every missed target with the value that the deployed configuration reaches instead."""
        wanted = " and ".join(f"{m.name}={milliseconds(m.target)}" for m in missed)
        reached = ", ".join(f"{m.name}={milliseconds(m.closest)}" for m in missed)
        return RequestWarning(
            type=cls.TYPE,
            message=f"Cannot meet {wanted} with this model/hardware. "
            f"Closest achievable: {reached} ({configuration}). Deploying with best available configuration",
        )

    @classmethod
    def share_served(cls, load: str, share: float, gpus: int) -> RequestWarning:
        """Say which share of the load the whole budget serves."""
        return RequestWarning(
            type=cls.TYPE,
            message=f"Cannot serve {load} with {gpus} GPUs. "
            f"Closest achievable: {share:.0%} of it. Deploying with best available configuration",
        )


class ConfigurationWarning:
    """Warnings about configurations that are not what the user may expect."""

    TYPE = "ConfigurationWarning"

    @classmethod
    def note(cls, message: str) -> RequestWarning:
        """Carry a sentence that another module words."""
        return RequestWarning(type=cls.TYPE, message=message)


def milliseconds(value: float) -> str:
    """Write a latency with its unit and no more than two or three digits that carry meaning."""
    return f"{significant(value)}ms"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with this many significant digits and without an exponent (1740.6 → ``1740``)."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"
