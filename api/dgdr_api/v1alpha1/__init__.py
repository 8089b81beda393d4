"""DynamoGraphDeploymentRequest, version ``nvidia.com/v1alpha1``: served, deprecated, converted to v1beta1."""

from typing import Literal

from dgdr_api import v1beta1
from dgdr_api.model import ApiModel
from dgdr_api.names import GROUP
from dgdr_api.v1alpha1.spec import ConfigMapKey, DeploymentOverrides, DgdrSpec, ProfilingConfig
from dgdr_api.v1alpha1.status import DgdrStatus

API_VERSION = f"{GROUP}/v1alpha1"

__all__ = [
    "API_VERSION",
    "ConfigMapKey",
    "DeploymentOverrides",
    "DgdrSpec",
    "DgdrStatus",
    "DynamoGraphDeploymentRequest",
    "ProfilingConfig",
]


class DynamoGraphDeploymentRequest(ApiModel):
    """Deploy by intent: a request that becomes a DynamoGraphDeployment."""

    api_version: Literal["nvidia.com/v1alpha1"]
    """Version of this representation."""
    kind: Literal["DynamoGraphDeploymentRequest"]
    """Kind of the object."""
    metadata: v1beta1.ObjectMeta
    """Name, namespace, labels and annotations."""
    spec: DgdrSpec
    status: DgdrStatus | None = None
