"""DynamoGraphDeploymentRequest, version ``nvidia.com/v1beta1``: the hub and storage version.

The docstring of a field is its description in the CRD (``kubectl explain dgdr.spec``), that of a class the
description of the fields that hold it.
"""

from typing import Literal

from pydantic import ConfigDict, Field

from dgdr_api.model import ApiModel
from dgdr_api.names import GROUP
from dgdr_api.v1beta1.spec import (
    Backend,
    DgdrSpec,
    Features,
    FeatureSetting,
    Hardware,
    ModelCache,
    OptimizationType,
    Overrides,
    SearchStrategy,
    Sla,
    Workload,
)
from dgdr_api.v1beta1.status import (
    Condition,
    DeploymentInfo,
    DgdrStatus,
    HardwareSources,
    HardwareStatus,
    ParetoItem,
    Phase,
    ProfilingProgress,
    ProfilingResults,
    Provenance,
    Time,
)

API_VERSION = f"{GROUP}/v1beta1"

__all__ = [
    "API_VERSION",
    "Backend",
    "Condition",
    "DeploymentInfo",
    "DgdrSpec",
    "DgdrStatus",
    "DynamoGraphDeploymentRequest",
    "FeatureSetting",
    "Features",
    "Hardware",
    "HardwareSources",
    "HardwareStatus",
    "ModelCache",
    "ObjectMeta",
    "OptimizationType",
    "Overrides",
    "ParetoItem",
    "Phase",
    "ProfilingProgress",
    "ProfilingResults",
    "Provenance",
    "SearchStrategy",
    "Sla",
    "Workload",
]


class ObjectMeta(ApiModel):
    """Kubernetes object metadata; fields that are not listed are kept as they are."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1)
    """Name of the object, unique in its namespace."""
    namespace: str | None = None
    """Namespace of the object."""
    uid: str | None = None
    """Identity given by the API server; absent in a file."""
    creation_timestamp: Time | None = None
    """When the API server created the object; absent in a file."""
    labels: dict[str, str] | None = None
    """Labels of the object."""
    annotations: dict[str, str] | None = None
    """Annotations of the object."""


class DynamoGraphDeploymentRequest(ApiModel):
    """Deploy by intent: a request that becomes a DynamoGraphDeployment."""

    api_version: Literal["nvidia.com/v1beta1"]
    """Version of this representation."""
    kind: Literal["DynamoGraphDeploymentRequest"]
    """Kind of the object."""
    metadata: ObjectMeta
    """Name, namespace, labels and annotations."""
    spec: DgdrSpec
    status: DgdrStatus | None = None
