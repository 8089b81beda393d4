"""What only v1alpha1 can say of a request, and how it reaches who reads v1beta1: annotations keep it.

Conversion writes them (`dgdr_api.conversion`); upstream's does, too, in the same words. What v1beta1 can say stands in
its spec, and is not looked for here.
"""

from collections.abc import Mapping
from itertools import islice

from pydantic import ConfigDict, Field, ValidationError

from dgdr_api import v1alpha1
from dgdr_api.conversion import Defaults, defaults_of
from dgdr_api.errors import FieldError, InvalidRequestError, located
from dgdr_api.model import ApiModel
from dgdr_api.names import ANNOTATION_DEFAULTS, ANNOTATION_PRESERVED
from dgdr_api.options import OPTIONS
from dgdr_api.text import MAX_REPORTED, printable

_PATH = f"metadata.annotations[{ANNOTATION_PRESERVED}]"
_LENIENT = ConfigDict(extra="ignore")


class _ProfilingConfig(v1alpha1.ProfilingConfig):
    """``spec.profilingConfig``, as far as it is known."""

    model_config = _LENIENT


class DeploymentOverrides(v1alpha1.DeploymentOverrides):
    """``spec.deploymentOverrides``, as far as it is known."""

    model_config = _LENIENT


class Preserved(ApiModel):
    """What v1alpha1 says beyond v1beta1."""

    model_config = _LENIENT

    defaults: Defaults = Field(default=Defaults.V1BETA1, exclude=True)
    """Whose defaults the request has."""
    enable_gpu_discovery: bool | None = None
    use_mocker: bool | None = None
    profiling_config: _ProfilingConfig = _ProfilingConfig()
    deployment_overrides: DeploymentOverrides = DeploymentOverrides()

    @property
    def base(self) -> v1alpha1.ConfigMapKey | None:
        """Where the base deployment is, if there is one."""
        return self.profiling_config.config_map_ref

    @property
    def from_v1alpha1(self) -> bool:
        """Whether the request was written as v1alpha1."""
        return self.defaults is not Defaults.V1BETA1


def preserved(annotations: Mapping[str, str] | None) -> Preserved:
    """Read the annotations of a request; without them nothing was said.

    Raises:
        InvalidRequestError: Somebody has edited them into what no conversion writes.
    """
    annotations = annotations or {}
    defaults = defaults_of(dict(annotations))
    text = annotations.get(ANNOTATION_PRESERVED)
    if text is None:
        return Preserved(defaults=defaults)
    try:
        read = Preserved.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        found = islice(error.errors(include_url=False), MAX_REPORTED)
        problems = "; ".join(printable(located(detail)) for detail in found)
        detail = f"{problems}; the conversion of v1alpha1 writes this annotation: remove it"
        raise InvalidRequestError([FieldError(_PATH, "Invalid value", detail)]) from None
    return read.model_copy(update={"defaults": defaults})


def as_far_as_known(annotations: Mapping[str, str] | None) -> Preserved:
    """Read the annotations of a request; what cannot be read was not said (validation names it)."""
    try:
        return preserved(annotations)
    except InvalidRequestError:
        return Preserved(defaults=defaults_of(dict(annotations or {})))


def search_annotations(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Return those annotations that a search depends on: what v1alpha1 says of a request, and options."""
    names = (ANNOTATION_PRESERVED, ANNOTATION_DEFAULTS, *OPTIONS)
    return {name: annotations[name] for name in names if annotations and name in annotations}
