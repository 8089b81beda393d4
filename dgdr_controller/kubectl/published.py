"""The results that a request's profiling has published, and candidates in them."""

from dgdr_api.candidate import Candidate
from dgdr_api.names import ANNOTATION_CANDIDATE, ANNOTATION_UID, RECOMMENDED, output_name
from dgdr_api.results import Results
from dgdr_api.text import did_you_mean
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase
from dgdr_controller.kinds import CONFIG_MAPS, ConfigMap
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.errors import NotFoundError, PluginError
from dgdr_controller.manifest import inside
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.protocol import RunState

_AGAIN = "delete the request and create it again to profile again"
_BEFORE = (None, Phase.PENDING, Phase.PROFILING)
"""Phases in which results are awaited."""


async def read_results(cluster: Cluster, request: DynamoGraphDeploymentRequest) -> Results:
    """Return what the search of a request has found.

    Raises:
        PluginError: There is nothing that can be read.
    """
    name = request.metadata.name
    try:
        config_map = await cluster.get(CONFIG_MAPS, output_name(name))
    except NotFoundError as error:
        if _phase(request) in _BEFORE:
            raise _too_early(request) from error
        raise PluginError(
            f"ConfigMap {output_name(name)} with the results of {name} does not exist: {_AGAIN}"
        ) from error
    return results_of(config_map, request)


def results_of(config_map: ConfigMap, request: DynamoGraphDeploymentRequest) -> Results:
    """Return the results in the ConfigMap of a request's output.

    Raises:
        PluginError: There are none in it that can be read.
    """
    name, metadata = request.metadata.name, config_map.metadata
    owners = {owner.uid for owner in metadata.owner_references} | {metadata.annotations.get(ANNOTATION_UID)}
    if request.metadata.uid not in owners:
        raise PluginError(
            f"ConfigMap {metadata.name} does not belong to request {name}: delete it, and the controller profiles again"
        )
    published = output.read(config_map)
    if published is None:
        raise PluginError(f"ConfigMap {metadata.name} holds nothing that a profiling Job has published: {_AGAIN}")
    if not published.has_results:
        if published.run.status is RunState.RUNNING:
            raise _too_early(request)
        raise PluginError(
            f"Profiling of {name} has ended without results ({published.run.error or published.run.message}): "
            f"kubectl dgdr status {name} says what to do"
        )
    if published.is_deployment:
        raise PluginError(
            f"Another profiler made the deployment of {name}, which has no candidates: "
            "status.profilingResults.selectedConfig holds it"
        )
    try:
        return published.results()
    except ValueError as error:
        raise PluginError(
            f"ConfigMap {metadata.name}: {error}. Use the plugin of the controller's version, or {_AGAIN}"
        ) from error


def find_candidate(results: Results, wanted: str | None, request: DynamoGraphDeploymentRequest) -> Candidate:
    """Return the candidate of an id.

    Args:
        results: The results.
        wanted: The id, or ``recommended``; None: the one that the status shows, else the recommended one.
        request: The request.

    Raises:
        PluginError: There is no such candidate.
    """
    by_id = {candidate.id: candidate for candidate in results.candidates}
    shown = selected_id(request)
    if wanted is None and shown in by_id:
        return by_id[shown]
    if wanted in (None, RECOMMENDED):
        if results.choice is None:
            raise PluginError(
                "No configuration can be deployed: kubectl dgdr candidates "
                f"{request.metadata.name} -o wide says why of each"
            )
        return results.choice
    if wanted not in by_id:
        guess = did_you_mean(wanted or "", by_id)
        raise PluginError(
            f"Request {request.metadata.name} has no candidate {wanted}{f'; {guess}' if guess else ''}: "
            f"kubectl dgdr candidates {request.metadata.name} lists them"
        )
    return by_id[wanted or ""]


def require_offered(candidate: Candidate) -> None:
    """See that a candidate can be deployed.

    Raises:
        PluginError: It cannot.
    """
    verdict = candidate.verdict
    if verdict is not None and not candidate.is_offered:
        raise PluginError(f"Candidate {candidate.id} cannot be deployed ({verdict.outcome}): {verdict.reason}")


def selected_id(request: DynamoGraphDeploymentRequest) -> str:
    """Return the id of the candidate whose deployment the status shows; empty where it shows none."""
    results = request.status.profiling_results if request.status else None
    annotations = inside(results.selected_config if results else None, "metadata", "annotations")
    return str(annotations.get(ANNOTATION_CANDIDATE, ""))


def _phase(request: DynamoGraphDeploymentRequest) -> Phase | None:
    return request.status.phase if request.status else None


def _too_early(request: DynamoGraphDeploymentRequest) -> PluginError:
    name = request.metadata.name
    return PluginError(
        f"Request {name} has no results yet (phase {_phase(request) or Phase.PENDING}): kubectl dgdr status {name} -w "
        "follows it"
    )
