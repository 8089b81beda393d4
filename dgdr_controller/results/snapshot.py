"""What a live page shows beside the results: where the request stands. Pure."""

from typing import Any

from dgdr_api.conditions import Succeeded
from dgdr_api.names import ANNOTATION_CANDIDATE
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase
from dgdr_controller.kinds import ConfigMap, Graph
from dgdr_controller.profiling_job import output

_GONE = "The request was deleted; its deployment goes on, if there is one"


def snapshot(
    request: DynamoGraphDeploymentRequest | None, published: ConfigMap | None, graph: Graph | None
) -> dict[str, Any]:
    """Return the state of a request as JSON.

    Args:
        request: The request; None: it does not exist any more.
        published: The ConfigMap of the profiling's output.
        graph: The deployment.
    """
    if request is None:
        return {"phase": "Deleted", "message": _GONE, "hasResults": False, "conditions": [], "points": []}
    status = request.status
    conditions = (status.conditions if status else None) or ()
    progress = status.profiling_progress if status else None
    found = output.read(published) if published else None
    log = found.trial_log if found and found.trials else None
    return {
        "phase": ((status and status.phase) or Phase.PENDING).value,
        "message": next(
            (c.message for c in conditions if c.type == Succeeded.TYPE), "The controller has not seen it yet"
        ),
        "resourceVersion": str((request.metadata.model_extra or {}).get("resourceVersion", "")),
        "hasResults": bool(found and found.has_results and not found.is_deployment),
        "results": published.metadata.resource_version if published else "",
        "progress": {"completed": progress.completed, "total": progress.total} if progress else None,
        "points": [point.model_dump(mode="json") for point in log.points] if log else [],
        "deployed": graph.metadata.annotations.get(ANNOTATION_CANDIDATE, "") if graph else "",
        "conditions": [
            {"type": c.type, "status": c.status, "reason": c.reason, "message": c.message} for c in conditions
        ],
    }
