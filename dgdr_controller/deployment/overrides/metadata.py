"""``deploymentOverrides`` of v1alpha1: name, namespace, labels and annotations of the deployment."""

from collections.abc import Iterator

from dgdr_api import syntax
from dgdr_api.errors import FieldError
from dgdr_api.json_values import JsonObject
from dgdr_api.preserved import DeploymentOverrides
from dgdr_api.syntax import Syntax
from dgdr_api.text import printable, shown
from dgdr_controller.deployment.overrides.dgd import validate_name


def validate_metadata(wanted: DeploymentOverrides, namespace: str | None) -> Iterator[FieldError]:
    """Yield what is wrong with v1alpha1's ``deploymentOverrides``."""
    if namespace is not None and wanted.namespace not in (None, namespace):
        detail = f"the deployment is created in the namespace of the request, {namespace}"
        yield FieldError("spec.deploymentOverrides.namespace", f"Invalid value: {shown(wanted.namespace)}", detail)
    yield from _syntax("labels", wanted.labels, syntax.label_name, syntax.label_value)
    yield from _syntax("annotations", wanted.annotations, syntax.annotation_name)
    if wanted.name is not None:
        skeleton: JsonObject = {
            "metadata": {"name": wanted.name},
            "spec": {"components": [{"name": "Frontend", "type": "frontend"}]},
        }
        yield from validate_name(skeleton, "spec.deploymentOverrides.name")


def _syntax(
    field: str, marks: dict[str, str] | None, name: Syntax, value: Syntax | None = None
) -> Iterator[FieldError]:
    for key, text in (marks or {}).items():
        path = printable(f"spec.deploymentOverrides.{field}[{key}]")
        for wrong, fault in ((key, name(key)), (text, value(text) if value else "")):
            if fault:
                yield FieldError(path, f"Invalid value: {shown(wrong)}", fault)
