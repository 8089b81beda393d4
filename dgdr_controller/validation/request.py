"""Why a request is refused, as far as that shows before there is a deployment: one judgement for all who judge.

The webhook, the reconciler, `dgdr plan` and `dgdr validate` ask here.
"""

from collections.abc import Iterator
from dataclasses import replace

from dgdr_api import syntax
from dgdr_api.conversion import kept_spec
from dgdr_api.conversion.field_mapping import as_written
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.preserved import DeploymentOverrides, preserved
from dgdr_api.syntax import Syntax
from dgdr_api.text import AND_MORE, at_most, printable, shown
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_api.validation import remarks, validate
from dgdr_controller.deployment.faults import Manifest
from dgdr_controller.deployment.overrides.dgd import check, deprecations, name_faults
from dgdr_controller.deployment.render.planner_settings import Written, setting_faults


def refused(request: DynamoGraphDeploymentRequest) -> list[FieldError]:
    """Return for what a request is refused, as far as it is told, with the paths of the version that was written."""
    kept = kept_spec(dict(request.metadata.annotations or {}))
    found = at_most([*validate(request), *wishes_refused(request)], AND_MORE)
    return [replace(each, path=as_written(each.path, kept)) for each in found]


def remarked(request: DynamoGraphDeploymentRequest) -> list[str]:
    """Return a sentence for each thing in a request that is allowed but probably not what the user should write."""
    override = request.spec.overrides.dgd if request.spec.overrides else None
    return [*remarks(request), *(deprecations(override) if override else ()), *Written.of(request.spec).notes]


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


def _spelling(
    field: str, marks: dict[str, str] | None, name: Syntax, value: Syntax | None = None
) -> Iterator[FieldError]:
    for key, text in (marks or {}).items():
        path = printable(f"spec.deploymentOverrides.{field}[{key}]")
        for wrong, fault in ((key, name(key)), (text, value(text) if value else "")):
            if fault:
                yield FieldError(path, f"Invalid value: {shown(wrong)}", fault)


def marking_faults(wanted: DeploymentOverrides, namespace: str | None) -> Iterator[FieldError]:
    """Yield what is wrong with v1alpha1's ``deploymentOverrides``."""
    if namespace is not None and wanted.namespace not in (None, namespace):
        detail = f"the deployment is made in the namespace of the request, {namespace}"
        yield FieldError("spec.deploymentOverrides.namespace", f"Invalid value: {shown(wanted.namespace)}", detail)
    yield from _spelling("labels", wanted.labels, syntax.label_name, syntax.label_value)
    yield from _spelling("annotations", wanted.annotations, syntax.annotation_name)
    if wanted.name is not None:
        skeleton: Manifest = {
            "metadata": {"name": wanted.name},
            "spec": {"components": [{"name": "Frontend", "type": "frontend"}]},
        }
        yield from name_faults(skeleton, "spec.deploymentOverrides.name")
