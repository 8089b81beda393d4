"""What is wrong with what a request wants of its deployment, as far as that shows before there is one."""

import json
from collections.abc import Iterator

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.preserved import DeploymentOverrides, preserved
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.deployment.faults import Manifest
from dgdr_controller.deployment.overrides import check, name_faults
from dgdr_controller.deployment.render.planner_settings import setting_faults


def wishes_refused(request: DynamoGraphDeploymentRequest) -> list[FieldError]:
    """Return everything that no deployment can be made of: overrides, settings of the planner, names."""
    override = request.spec.overrides.dgd if request.spec.overrides else None
    metadata = request.metadata
    found = check(override, metadata.name, metadata.namespace) if override else []
    found += setting_faults(request.spec)
    try:
        found += marking_faults(preserved(metadata.annotations).deployment_overrides, metadata.namespace)
    except InvalidRequestError as error:
        found += error.errors
    return found


def marking_faults(wanted: DeploymentOverrides, namespace: str | None) -> Iterator[FieldError]:
    """Yield what is wrong with v1alpha1's ``deploymentOverrides``."""
    if wanted.namespace not in (None, namespace):
        detail = f"the deployment is made in the namespace of the request, {namespace}"
        shown = json.dumps(wanted.namespace)
        yield FieldError("spec.deploymentOverrides.namespace", f"Invalid value: {shown}", detail)
    if wanted.name is not None:
        skeleton: Manifest = {
            "metadata": {"name": wanted.name},
            "spec": {"components": [{"name": "Frontend", "type": "frontend"}]},
        }
        yield from name_faults(skeleton, "spec.deploymentOverrides.name")
