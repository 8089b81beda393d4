"""``kubectl dgdr deploy``: deploy the candidate that one has chosen."""

import signal
import sys

import click

from dgdr_api.candidate import Candidate
from dgdr_api.conditions import SpecGenerated, Validation
from dgdr_api.names import ANNOTATION_DEPLOY, RECOMMENDED
from dgdr_api.results import Results
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.describe import condition_of, describe
from dgdr_controller.kubectl.errors import PluginError, TimeIsOverError
from dgdr_controller.kubectl.follow import ended, follow
from dgdr_controller.kubectl.options import CandidateId, on_cluster, request_argument, timeout_option
from dgdr_controller.kubectl.published import find_candidate, read_results, require_offered

_ANSWER_S = 15.0
"""How long the controller may take to say whether it deploys the candidate."""
_REFUSED = (SpecGenerated.NOT_OFFERED, SpecGenerated.TABLE_GONE)
_NO_EFFECT = {
    Phase.DEPLOYING: "is being deployed already",
    Phase.DEPLOYED: "is deployed already",
    Phase.FAILED: "has failed",
}
_WAYS = {
    Phase.FAILED: "kubectl dgdr retry {name} starts it again",
}
_REPLACE = (
    "to run another candidate, save it with kubectl dgdr export {name} CANDIDATE -o dgd.yaml, delete the request (the "
    "deployment stays), and apply the file"
)


@click.command()
@request_argument
@click.argument("candidate", type=CandidateId(), default=RECOMMENDED)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("-w", "--watch", is_flag=True, help="Follow it until it is Deployed or Failed.")
@timeout_option
@on_cluster
async def deploy(cluster: Cluster, *, name: str, candidate: str, yes: bool, watch: bool, limit_s: int | None) -> int:
    """Deploy CANDIDATE of a request that is Ready, or the recommended one.

    It sets annotation dgdr.nvidia.com/deploy; spec.autoApply stays as it is. What is deployed is what was looked at:
    a request that has changed since is left alone.
    """
    request = await cluster.get(REQUESTS, name)
    if reason := without_effect(request):
        raise PluginError(reason)
    results = await read_results(cluster, request)
    chosen = find_candidate(results, candidate, request)
    require_offered(chosen)
    _confirm(question(chosen, results, name), yes=yes)
    metadata = {"resourceVersion": resource_version(request), "annotations": {ANNOTATION_DEPLOY: candidate}}
    await cluster.patch(REQUESTS, name, {"metadata": metadata})
    if watch:
        code, request = await follow(cluster, name, deployed, limit_s)
    else:
        code, request = await _answer(cluster, name)
    if refusal := refusal_of(request):
        raise PluginError(refusal)
    if watch:
        click.echo("\n".join(describe(request)))
        return code
    click.echo(f"Request {name} is being deployed with candidate {chosen.id}: kubectl dgdr status {name} -w follows it")
    return 0


async def _answer(cluster: Cluster, name: str) -> tuple[int, DynamoGraphDeploymentRequest]:
    """Wait until the controller deploys, or refuses.

    Raises:
        TimeIsOverError: It does neither.
    """
    try:
        return await follow(cluster, name, answered, _ANSWER_S)
    except TimeIsOverError as error:
        raise TimeIsOverError(
            f"The controller has not answered within {_ANSWER_S:g} s; check that it runs. "
            f"kubectl dgdr status {name} -w follows the request"
        ) from error


def without_effect(request: DynamoGraphDeploymentRequest) -> str | None:
    """Say why the annotation would have no effect, and what has; None where it has."""
    name, phase = request.metadata.name, request.status.phase if request.status else None
    if phase not in _NO_EFFECT:
        return None
    return f"Request {name} {_NO_EFFECT[phase]}: {_WAYS.get(phase, _REPLACE).format(name=name)}"


def question(candidate: Candidate, results: Results, name: str) -> str:
    """Ask whether a candidate is to be deployed, with the GPUs that it takes."""
    gpus = f"{candidate.gpus} × {results.hardware.gpu_sku} GPU{'s' if candidate.gpus > 1 else ''}"
    return f"Deploy {candidate.id} ({candidate.backend} {candidate.mode}, {candidate.shape}) of {name} on {gpus}?"


def _confirm(text: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise PluginError(f"{text} Nobody can answer, as standard input is no terminal: use --yes")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's own waits for the question to end
    try:
        confirmed = click.confirm(text, err=True)
    finally:
        signal.signal(signal.SIGINT, before)
    if not confirmed:
        raise PluginError("Nothing was deployed")


def resource_version(request: DynamoGraphDeploymentRequest) -> str:
    """Return the version of the request that was read."""
    return str((request.metadata.model_extra or {}).get("resourceVersion", ""))


def answered(request: DynamoGraphDeploymentRequest) -> int | None:
    """Return 0 once the controller deploys, 1 where it refuses, None while it has not said."""
    if refusal_of(request):
        return 1
    return None if request.status and request.status.phase is Phase.READY else 0


def deployed(request: DynamoGraphDeploymentRequest) -> int | None:
    """Return 0 once it is deployed, 1 where the controller refuses or it has failed, None before."""
    return answered(request) if answered(request) != 0 else ended(request)


def refusal_of(request: DynamoGraphDeploymentRequest) -> str:
    """Return why the controller does not deploy what was asked for; empty where it does, or has not said."""
    generated, valid = condition_of(request, SpecGenerated.TYPE), condition_of(request, Validation.TYPE)
    if valid is not None and valid.reason == Validation.change_refused().reason:
        return valid.message
    return generated.message if generated is not None and generated.reason in _REFUSED else ""
