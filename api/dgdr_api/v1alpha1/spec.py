"""What a user writes in ``v1alpha1``: the union of its two historical forms.

The flat form is that of Dynamo's proposal "Dynamo Deployment Flow with DGDRs", whose fields are those of v1beta1; the
other one, of Dynamo 0.6 to 0.9, says nearly everything under ``profilingConfig``. Both may stand in one request, as
long as they do not contradict each other. Which place stands for which field of v1beta1:
`dgdr_api.conversion.field_mapping`.
"""

from pydantic import Field, JsonValue

from dgdr_api import v1beta1
from dgdr_api.model import ApiModel


class ConfigMapKey(ApiModel):
    """A key of a ConfigMap in the request's namespace."""

    name: str = Field(min_length=1)
    """Name of the ConfigMap."""
    key: str = "disagg.yaml"
    """Key in it. Default: disagg.yaml."""


class ProfilingConfig(ApiModel):
    """How to profile, in the form of Dynamo 0.6 to 0.9."""

    config: dict[str, JsonValue] | None = None
    """Settings of the profiler: deployment, engine, hardware, sweep, sla, planner; camelCase or snake_case."""
    config_map_ref: ConfigMapKey | None = None
    """A DynamoGraphDeployment of the user that the plan is put into."""
    profiler_image: str | None = None
    """Container image of Dynamo; its registry and tag are those of the workers."""
    output_pvc: str | None = Field(default=None, alias="outputPVC")
    """PersistentVolumeClaim for the profiler's files."""
    resources: dict[str, JsonValue] | None = None
    """Resources of the profiling container (core/v1 ResourceRequirements)."""
    tolerations: tuple[dict[str, JsonValue], ...] | None = None
    """Tolerations of the profiling pod (core/v1 Toleration)."""
    node_selector: dict[str, str] | None = None
    """Labels of the nodes that the profiling pod may run on."""


class DeploymentOverrides(ApiModel):
    """How the deployment is called and marked, and which image its workers run."""

    name: str | None = None
    """Name of the DynamoGraphDeployment. Default: the request's, with -dgd."""
    namespace: str | None = None
    """Its namespace; only the request's own is possible."""
    labels: dict[str, str] | None = None
    """Labels that it gets beside ours."""
    annotations: dict[str, str] | None = None
    """Annotations that it gets beside ours."""
    workers_image: str | None = None
    """Container image of every worker, as it is."""


class DgdrSpec(v1beta1.DgdrSpec):
    """What is wanted, in either form; v1beta1 says the same in one."""

    # What applies in silence depends on the form: only conversion knows, so there is no default here.
    search_strategy: v1beta1.SearchStrategy | None = None  # type: ignore[assignment]
    """rapid: simulated; thorough: measured. Default: rapid; with profilingConfig thorough, unless it says otherwise."""
    auto_apply: bool | None = None  # type: ignore[assignment]
    """Whether the chosen configuration is deployed at once. Default: true; with profilingConfig false."""
    use_mocker: bool | None = None
    """Simulated workers instead of real engines; features.mocker of v1beta1."""
    enable_gpu_discovery: bool | None = None
    """Has no effect: GPUs are always discovered."""
    profiling_config: ProfilingConfig | None = None
    deployment_overrides: DeploymentOverrides | None = None


ONLY_HERE = ("useMocker", "enableGpuDiscovery", "profilingConfig", "deploymentOverrides")
"""Fields of the spec that v1beta1 does not have."""
