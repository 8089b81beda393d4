"""The deployment of a candidate, as the controller would make it."""

from dgdr_api.candidate import Candidate
from dgdr_api.errors import InvalidRequestError
from dgdr_api.preserved import preserved
from dgdr_api.results import Results
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.cli.settings import load_settings
from dgdr_controller.deployment.compose import Composed
from dgdr_controller.deployment.conversion.versions import to_v1alpha1
from dgdr_controller.deployment.for_request import compose_for_request
from dgdr_controller.kinds import CONFIG_MAPS, GRAPHS, GRAPHS_V1ALPHA1
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.errors import NotFoundError, PluginError
from dgdr_controller.kubectl.published import require_offered, selected_id
from dgdr_controller.manifest import Manifest
from dgdr_controller.settings import Settings

VERSIONS = {"v1beta1": GRAPHS.api_version, "v1alpha1": GRAPHS_V1ALPHA1.api_version}
"""Versions of a DynamoGraphDeployment, and how manifests write them."""


async def read_base_text(cluster: Cluster, request: DynamoGraphDeploymentRequest) -> str | None:
    """Return the text of the user's own deployment that plans are put into; None where there is none.

    Raises:
        PluginError: It cannot be read.
    """
    try:
        base = preserved(request.metadata.annotations).base
        return (await cluster.get(CONFIG_MAPS, base.name)).data.get(base.key) if base else None
    except NotFoundError:
        return None  # composing says so
    except InvalidRequestError as error:
        raise PluginError(str(error)) from error


class Exporter:
    """Composes deployments of candidates of one request.

    Args:
        request: The request.
        results: Its results.
        base: Text of the user's own deployment that plans are put into.
        settings: The controller's settings; None: those in the environment.
    """

    def __init__(
        self,
        request: DynamoGraphDeploymentRequest,
        results: Results,
        base: str | None,
        settings: Settings | None = None,
    ) -> None:
        self._request, self._results, self._base = request, results, base
        self._settings = settings or load_settings()

    def compose(self, candidate: Candidate, version: str | None = None) -> Composed:
        """Compose the deployment of a candidate.

        Args:
            candidate: The candidate.
            version: Version of the deployment; None: the one that the cluster serves.

        Raises:
            PluginError: It cannot be deployed.
        """
        require_offered(candidate)
        try:
            _, made = compose_for_request(self._request, self._base, [candidate], self._results, self._settings)
            old = VERSIONS.get(version or "", self._served) == GRAPHS_V1ALPHA1.api_version
            graph = to_v1alpha1(made.graph) if old else made.graph
        except InvalidRequestError as error:
            reasons = "; ".join(map(str, error.errors))
            raise PluginError(f"Candidate {candidate.id} cannot be deployed: {reasons}") from error
        return Composed(graph, made.config_maps, made.notes)

    @property
    def _shown(self) -> Manifest | None:
        """The deployment that the controller has written into the status."""
        found = self._request.status.profiling_results if self._request.status else None
        return found.selected_config if found else None

    @property
    def _served(self) -> str:
        shown = self._shown
        return str(shown.get("apiVersion")) if shown else GRAPHS.api_version

    def difference(self) -> str | None:
        """Return the first field in which the controller's own deployment differs from the one that is made here.

        It differs where the controller has other settings, or is of another version. None: it does not, or there is
        none to compare with.
        """
        shown, chosen = self._shown, selected_id(self._request)
        candidate = next((candidate for candidate in self._results.candidates if candidate.id == chosen), None)
        if shown is None or candidate is None:
            return None
        try:
            return first_difference(self.compose(candidate).graph, shown)
        except PluginError:
            return "(document)"


def first_difference(here: object, there: object, path: str = "") -> str | None:
    """Return the path of the first value that differs; None where all are equal."""
    if isinstance(here, dict) and isinstance(there, dict):
        keys = [*here, *(key for key in there if key not in here)]
        found = (first_difference(here.get(key), there.get(key), f"{path}.{key}".lstrip(".")) for key in keys)
    elif isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        found = (first_difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(here, there, strict=True)))
    else:
        return None if here == there else path or "(document)"
    return next((difference for difference in found if difference), None)
