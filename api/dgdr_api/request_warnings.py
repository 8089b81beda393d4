"""Warnings on a request that is served all the same: each wording has its one place here.

The sentences are those of Dynamo's proposal "Dynamo Deployment Flow with DGDRs" (section "Warning Conditions").
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dgdr_api.formatting import distinct, exact, likelihood, percentage
from dgdr_api.model import ApiModel

UNLIKELY = 0.2
"""Chance up to which a target counts as one that cannot be met."""


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
        chance: How likely the deployed configuration meets it all the same, 0 to 1; None: unknown.
    """

    name: str
    target: float
    reached: float
    lowest: float
    chance: float | None = None


class SLAWarning:
    """Warnings about targets and load that cannot be met."""

    TYPE = "SLAWarning"

    @classmethod
    def closest(cls, missed: Sequence[Missed], configuration: str, price: str = "", load: str = "") -> RequestWarning:
        """Name every missed target with the closest value there is, and with what is deployed where that differs.

        A target that some configuration meets is missed only in company: then the sentence says so.

        Args:
            missed: The targets.
            configuration: What is deployed.
            price: What it would cost to come closer.
            load: The load, where it is what stands in the way.
        """
        wanted = " and ".join(f"{m.name}={exact(m.target)}ms" for m in missed)
        in_company = any(m.lowest <= m.target for m in missed)
        company = f" at {load}" if load else " with the other targets" if in_company else ""
        values = [m.reached if in_company else m.lowest for m in missed]
        closest = ", ".join(f"{m.name}={distinct(v, m.target)}ms" for m, v in zip(missed, values, strict=True))
        reached = ", ".join(f"{m.name}={distinct(m.reached, m.target)}ms" for m in missed)
        aside = "" if closest == reached else f"; deployed: {reached}"
        hope = [m.chance for m in missed if m.chance is not None and m.chance > UNLIKELY]
        verb = "Cannot meet"
        if len(hope) == len(missed):
            verb, company = "Unlikely to meet", f"{company} ({likelihood(min(hope))} likely)"
        return RequestWarning(
            type=cls.TYPE,
            message=f"{verb} {wanted}{company} with this model/hardware. "
            f"Closest achievable: {closest} ({configuration}{aside}). "
            f"{f'{price}. ' if price else ''}Deploying with best available configuration",
        )

    @classmethod
    def uncertain(cls, goals: Sequence[str], together: float, likeliest: str) -> RequestWarning:
        """Say that targets are within the estimates and may well be missed.

        Args:
            goals: The targets, each with how likely it is met.
            together: How likely all of them are met, 0 to 1.
            likeliest: What the likeliest configuration would cost; empty: it is the deployed one.
        """
        all_of_them = f"; all of them: {likelihood(together)}" if len(goals) > 1 else ""
        return RequestWarning(
            type=cls.TYPE,
            message=f"The estimates are within the targets, but may be off: {', '.join(goals)}{all_of_them}. "
            f"{f'{likeliest}. ' if likeliest else ''}Measure the deployment before you rely on it",
        )

    @classmethod
    def share_served(cls, load: str, share: float, gpus: int, enough: int | None) -> RequestWarning:
        """Say which share of the load the whole budget serves, and how many GPUs serve it within the targets."""
        way_out = f"{enough} GPUs serve it within the latency targets. " if enough else ""
        waiting = "Requests beyond that wait, which the estimated TTFT leaves out. "
        return RequestWarning(
            type=cls.TYPE,
            message=f"Cannot serve {load} with {gpus} GPU{'s' if gpus > 1 else ''}. Closest achievable: "
            f"{percentage(share)} of it. {waiting}{way_out}Deploying with best available configuration",
        )

    @classmethod
    def more_gpus(cls, load: str, enough: int) -> RequestWarning:
        """Say how many GPUs serve a load within the targets, where the budget serves it outside of them."""
        return RequestWarning(
            type=cls.TYPE,
            message=f"The budget serves {load} only outside of the latency targets: it takes {enough} GPUs",
        )


class ConfigurationWarning:
    """Warnings about configurations that are not what the user may expect."""

    TYPE = "ConfigurationWarning"

    @classmethod
    def not_simulated(cls, model: str, why: str) -> RequestWarning:
        """Say that the deployment rests on memory fit alone."""
        return RequestWarning(
            type=cls.TYPE,
            message=f"Model '{model}' not supported by AIC. Generated DGD uses reasonable defaults but may not be "
            f"SLA-optimized. Use searchStrategy: thorough for SLA optimization{f' ({why})' if why else ''}",
        )

    @classmethod
    def note(cls, message: str) -> RequestWarning:
        """Carry a sentence that another module words."""
        return RequestWarning(type=cls.TYPE, message=message)
