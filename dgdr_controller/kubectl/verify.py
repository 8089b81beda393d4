"""``kubectl dgdr verify``: measure a deployment, and hold it against its plan."""

import time
from dataclasses import dataclass, field

import click

from dgdr_api.conditions import PerformanceVerified
from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import ANNOTATION_VERIFIED, ANNOTATION_VERIFY
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase
from dgdr_api.verification import verification_s
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.describe import condition_of, message_of
from dgdr_controller.kubectl.errors import PluginError
from dgdr_controller.kubectl.follow import follow
from dgdr_controller.kubectl.options import on_cluster, request_argument, timeout_option

_FINAL = (PerformanceVerified.unplanned("").reason, PerformanceVerified.failed("").reason)
"""Reasons with which a measurement ends that has measured nothing."""
_SETTLED_S = 10.0
"""How long such a reason may be that of a measurement before this one."""


def _duration(_: click.Context, parameter: click.Parameter, text: str) -> str:
    try:
        if not verification_s({ANNOTATION_VERIFY: text}):
            raise click.BadParameter("0s measures nothing", param=parameter)
    except InvalidRequestError as error:
        raise click.BadParameter(error.errors[0].detail, param=parameter) from error
    return text


@click.command()
@request_argument
@click.option(
    "--for", "duration", default="60s", show_default=True, callback=_duration, metavar="DURATION",
    help="How long: 10s to 60m.",
)  # fmt: skip
@click.option("-w", "--watch", is_flag=True, help="Follow it until it is measured.")
@timeout_option
@on_cluster
async def verify(cluster: Cluster, *, name: str, duration: str, watch: bool, limit_s: int | None) -> int:
    """Measure the deployment of a request at its planned load, again where it was measured before.

    Exit code with -w: 0 it does what was planned, 1 it does not or could not be measured, 124 after --timeout.
    """
    request = await cluster.get(REQUESTS, name)
    phase = request.status.phase if request.status else None
    if phase is Phase.FAILED:
        raise PluginError(f"Request {name} has failed and has no deployment to measure: kubectl dgdr status {name}")
    annotations = {ANNOTATION_VERIFY: duration, ANNOTATION_VERIFIED: None}
    await cluster.patch(REQUESTS, name, {"metadata": {"annotations": annotations}})
    if not watch:
        when = "is measured" if phase is Phase.DEPLOYED else f"is measured once it is Deployed (phase {phase})"
        click.echo(f"The deployment of {name} {when}: kubectl dgdr status {name} shows the result")
        return 0
    code, request = await follow(cluster, name, Verified(), limit_s)
    found = condition_of(request, PerformanceVerified.TYPE)
    click.echo(f"{found.reason}: {found.message}" if found else message_of(request))
    return code


@dataclass(frozen=True, slots=True)
class Verified:
    """Says whether a deployment has been measured since the request was asked for it.

    Attributes:
        asked: When that was, on the clock of `time.monotonic`.
    """

    asked: float = field(default_factory=time.monotonic)

    def __call__(self, request: DynamoGraphDeploymentRequest) -> int | None:
        """Return 0 where it does what was planned, 1 where not or where it cannot be measured, None before."""
        if request.status and request.status.phase is Phase.FAILED:
            return 1
        found = condition_of(request, PerformanceVerified.TYPE)
        if found is None:
            return None
        measured = ANNOTATION_VERIFIED in (request.metadata.annotations or {})
        if found.status != "Unknown":
            return (0 if found.status == "True" else 1) if measured else None
        settled = measured or time.monotonic() - self.asked > _SETTLED_S
        return 1 if found.reason in _FINAL and settled else None
