"""What only v1alpha1 can say of a request, and how it reaches who reads v1beta1: an annotation keeps it.

The annotation holds a sparse v1alpha1 spec as JSON (upstream's preservation annotation, dynamo-api-facts §1.8);
conversion writes it.
"""

from collections.abc import Mapping

from pydantic import ConfigDict, Field, ValidationError

from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.model import ApiModel
from dgdr_api.names import ANNOTATION_PRESERVED

_PATH = f"metadata.annotations[{ANNOTATION_PRESERVED}]"


class _Part(ApiModel):
    """A part of the spec, as far as it is read here."""

    model_config = ConfigDict(extra="ignore")


class ConfigMapKey(_Part):
    """A key of a ConfigMap in the request's namespace."""

    name: str = Field(min_length=1)
    key: str = "disagg.yaml"


class ProfilingConfig(_Part):
    """``spec.profilingConfig``."""

    config_map_ref: ConfigMapKey | None = None
    """The base deployment that the plan is put into."""


class DeploymentOverrides(_Part):
    """``spec.deploymentOverrides``: how the deployment is called and marked, and which image its engines run."""

    name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    workers_image: str | None = None


class Preserved(_Part):
    """What v1alpha1 says beyond v1beta1."""

    profiling_config: ProfilingConfig = ProfilingConfig()
    deployment_overrides: DeploymentOverrides = DeploymentOverrides()

    @property
    def base(self) -> ConfigMapKey | None:
        """Where the base deployment is, if there is one."""
        return self.profiling_config.config_map_ref


def preserved(annotations: Mapping[str, str] | None) -> Preserved:
    """Read the annotation of a request; without one nothing was said.

    Raises:
        InvalidRequestError: Somebody has edited it into what no conversion writes.
    """
    text = (annotations or {}).get(ANNOTATION_PRESERVED)
    if text is None:
        return Preserved()
    try:
        return Preserved.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        detail = f"{problems}; it is written by the conversion of v1alpha1: remove the annotation"
        raise InvalidRequestError([FieldError(_PATH, "Invalid value", detail)]) from None
