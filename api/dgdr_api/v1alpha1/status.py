"""The status in ``v1alpha1``: v1beta1's, and beside it what Dynamo 0.6 to 0.9 said in words of its own."""

from enum import StrEnum
from typing import Literal

from pydantic import JsonValue

from dgdr_api import v1beta1
from dgdr_api.v1beta1.status import StatusModel


class State(StrEnum):
    """Where a request stands, in the words of v1alpha1."""

    INITIALIZING = "Initializing"
    PENDING = "Pending"
    PROFILING = "Profiling"
    DEPLOYING = "Deploying"
    READY = "Ready"
    DEPLOYMENT_DELETED = "DeploymentDeleted"
    FAILED = "Failed"


class Deployment(StatusModel):
    """The DynamoGraphDeployment of the request."""

    name: str | None = None
    """Its name."""
    namespace: str | None = None
    """Its namespace."""
    state: Literal["initializing", "pending", "successful", "failed"] | None = None
    """How it stands."""
    created: bool | None = None
    """Whether it was created."""


class DgdrStatus(v1beta1.DgdrStatus):
    """How the request stands."""

    state: State | None = None
    """Where the request stands; made from phase."""
    backend: str | None = None
    """Inference engine of the chosen configuration."""
    deployment: Deployment | None = None


PROFILING_RESULTS: dict[str, JsonValue] = {
    "description": "What profiling found; of Dynamo 0.6 to 0.9 a text, configmap/NAME.",
    "x-kubernetes-preserve-unknown-fields": True,
}
"""Schema of a field that is an object or a text: Kubernetes knows no such union."""

ONLY_HERE = ("state", "backend", "deployment")
"""Fields of the status that v1beta1 does not have."""
