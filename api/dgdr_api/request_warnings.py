"""Warnings on a request that is served all the same: each wording has its one place here.

The sentences about targets and configurations are those of Dynamo's proposal "Dynamo Deployment Flow with DGDRs"
(section "Warning Conditions").
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


MANY_NODES = "ReadWriteMany or ReadOnlyMany"
"""Access modes of claims that pods on several nodes mount."""


def missing(kind: str, name: str, path: str) -> str:
    """Say that an object does not exist in the request's namespace, and what to do.

    Args:
        kind: Its kind.
        name: Its name.
        path: Where it is named.
    """
    return f"{kind} {name} does not exist in this namespace; create it, or change {path}"


class PrerequisiteWarning:
    """Warnings about what a deployment will need and the cluster does not have now."""

    TYPE = "PrerequisiteWarning"

    @classmethod
    def claim_for_one_node(cls, name: str) -> RequestWarning:
        """Say that pods on a second node cannot mount a claim."""
        return cls._note(
            f"PersistentVolumeClaim {name} has access mode ReadWriteOnce, so pods on a second node cannot mount it; "
            f"use a claim with access mode {MANY_NODES}"
        )

    @classmethod
    def claim_unbound(cls, name: str) -> RequestWarning:
        """Say that pods wait for the volume of a claim, which may come with the first of them."""
        return cls._note(f"PersistentVolumeClaim {name} has no volume yet; pods that mount it wait for one")

    @classmethod
    def deployment_lacks(cls, kind: str, name: str, path: str) -> RequestWarning:
        """Say that an object does not exist without which no pod of the deployment starts."""
        return cls._note(missing(kind, name, path))

    @classmethod
    def pull_secret_missing(cls, name: str, path: str) -> RequestWarning:
        """Say that an image may not be pulled."""
        return cls._note(f"{missing('Secret', name, path)}. Without it only public images can be pulled")

    @classmethod
    def token_missing(cls, model: str, secret: str) -> RequestWarning:
        """Say that engines will not get a gated model."""
        return cls._note(
            f"Model {model} is gated on HuggingFace, and Secret {secret} does not exist in this namespace, so engines "
            f"cannot download it; accept the model's terms and create the Secret with a token in key HF_TOKEN"
        )

    @classmethod
    def gpus_missing(cls, wanted: int, counted: str) -> RequestWarning:
        """Say that a plan may take more GPUs than the cluster has."""
        return cls._note(
            f"spec.hardware.totalGpus is {wanted}, and {counted}; pods that get no GPU wait for one. Add nodes, or "
            "lower totalGpus"
        )

    @classmethod
    def gpus_busy(cls, counted: str) -> RequestWarning:
        """Say that no pod gets a GPU now."""
        return cls._note(f"All GPUs are in use: {counted}; pods of the deployment wait until some are free")

    @classmethod
    def one_node_engines(cls, per_node: int) -> RequestWarning:
        """Say that engines do not span nodes."""
        return cls._note(
            f"The cluster has neither Grove nor LeaderWorkerSet, so an engine uses at most the {per_node} GPUs of one "
            "node; install one of them for larger engines"
        )

    @classmethod
    def no_dynamo(cls) -> RequestWarning:
        """Say that nothing can be deployed now."""
        return cls._note(
            "The cluster does not serve DynamoGraphDeployments; a deployment waits for Dynamo's operator and its CRDs"
        )

    @classmethod
    def _note(cls, message: str) -> RequestWarning:
        return RequestWarning(type=cls.TYPE, message=message)
