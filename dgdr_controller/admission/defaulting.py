"""What is changed in a request before it is stored: next to nothing.

Defaults are resolved where they are used (`dgdr_api.defaults`) and shown in the status; nothing is written into what a
GitOps tool compares. But who copies a request by ``kubectl get -o yaml`` should not copy what was found for the other
one.
"""

from dgdr_api.json_values import JsonObject
from dgdr_api.names import ANNOTATION_GENERATED, ANNOTATION_RETRIED
from dgdr_controller.admission.review import AdmissionRequest, AdmissionResponse

OUTCOMES = (ANNOTATION_GENERATED, ANNOTATION_RETRIED)
"""Annotations that the controller writes: what became of one request."""


def default(request: AdmissionRequest) -> AdmissionResponse:
    """Return a patch that takes the outcome of another request out of a new one."""
    metadata = request.new.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if request.operation != "CREATE" or not isinstance(annotations, dict):
        return AdmissionResponse()
    return AdmissionResponse(patch=[_removal(name) for name in OUTCOMES if name in annotations])


def _removal(annotation: str) -> JsonObject:
    escaped = annotation.replace("~", "~0").replace("/", "~1")
    return {"op": "remove", "path": f"/metadata/annotations/{escaped}"}
