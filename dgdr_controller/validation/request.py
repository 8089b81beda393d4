"""The rules for a request, overrides included: the same for the webhook, the controller, `dgdr plan` and `validate`."""

from dataclasses import replace

from dgdr_api import validation
from dgdr_api.conversion import kept_spec
from dgdr_api.conversion.field_mapping import as_written
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.preserved import preserved
from dgdr_api.text import AND_MORE, at_most
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.deployment.overrides.dgd import check, deprecations
from dgdr_controller.deployment.overrides.metadata import validate_metadata
from dgdr_controller.deployment.render.planner_settings import Written, validate_settings


def validate(request: DynamoGraphDeploymentRequest) -> list[FieldError]:
    """Return what is wrong with a request, by the paths of the version that was written."""
    kept = kept_spec(dict(request.metadata.annotations or {}))
    found = at_most([*validation.validate(request), *validate_overrides(request)], AND_MORE)
    return [replace(error, path=as_written(error.path, kept)) for error in found]


def warnings(request: DynamoGraphDeploymentRequest) -> list[str]:
    """Return a sentence for each thing in a request that is allowed but probably not what the user should write."""
    override = request.spec.overrides.dgd if request.spec.overrides else None
    return [
        *validation.warnings(request),
        *(deprecations(override) if override else ()),
        *Written.of(request.spec).notes,
    ]


def validate_overrides(request: DynamoGraphDeploymentRequest) -> list[FieldError]:
    """Return everything that no deployment can be made of: overrides, settings of the planner, names."""
    override = request.spec.overrides.dgd if request.spec.overrides else None
    metadata = request.metadata
    found = check(override, metadata.name, metadata.namespace) if override else []
    found += validate_settings(request.spec)
    try:
        found += validate_metadata(preserved(metadata.annotations).deployment_overrides, metadata.namespace)
    except InvalidRequestError as error:
        found += error.errors
    return found
