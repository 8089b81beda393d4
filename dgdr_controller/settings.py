"""Settings of the installation, from the environment: ``DGDR_DYNAMO__VERSION=1.6.1``."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

VERIFIED_DYNAMO_VERSION = "1.6.1"
"""The Dynamo release whose argument parsers the rendered flags were checked against."""


class DynamoSettings(BaseModel):
    """Where Dynamo's images come from when a request names none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: str = Field(default="nvcr.io/nvidia/ai-dynamo", pattern=r"^[^\s@]*[^\s@/]$")
    """Registry and path in front of the images' names."""
    version: str = Field(default=VERIFIED_DYNAMO_VERSION, pattern=r"^\d+\.\d+\.\d+$")
    """Tag of the images: a version of Dynamo."""
    trust_remote_code: bool = False
    """Have deployments run the code that a model's repository brings along, wherever its config names some; without it
    `spec.overrides.trustRemoteCode` says so for one request, and models of a request's own model cache are trusted."""


class ProfilingSettings(BaseModel):
    """How profiling Jobs are made and how long they may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = "localhost/dgdr-profiler:dev"
    """Image of the profiler."""
    measurer_image: str = "localhost/dgdr-measurer:dev"
    """Image of the profiler of thorough searches, which measures with AIPerf."""
    publisher_image: str = "localhost/dgdr-controller:dev"
    """Image of the container that publishes results: the controller's own."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When these images are pulled."""
    pull_secrets: tuple[str, ...] = ()
    """Names of Secrets for pulling them, in the request's namespace."""
    rapid_deadline_s: int = Field(default=1800, ge=300)
    """Longest rapid search in seconds, where the request does not set activeDeadlineSeconds."""
    thorough_deadline_s: int = Field(default=21_600, ge=300)
    """The same of a thorough one, which measures deployments."""
    measuring_gpu_hours: int = Field(default=0, ge=0)
    """GPU hours that the deployments may take which a thorough search measures; 0: as many as it has time for."""
    trial_deadline_s: int = Field(default=3600, ge=60)
    """How long a deployment that a thorough search measures may take to be ready, in seconds."""
    stuck_pod_grace_s: int = Field(default=900, ge=0)
    """How long a pod that cannot start is waited for, in seconds."""


class WebhookSettings(BaseModel):
    """Where and with which certificate the API server's calls are answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str = Field(default="", pattern=r"^(|[^\s]*:\d{1,5})$")
    """Where to listen, ``host:port`` or ``:port``; empty: nowhere (a controller outside of its cluster)."""
    certificates: str = "self-managed"
    """self-managed, or a folder with tls.crt and tls.key that somebody else renews."""
    service: str = "dgdr-webhook-service"
    """Name of the Service in front of it, in the controller's namespace."""
    secret: str = "dgdr-webhook-server-cert"  # noqa: S105 - the name of a Secret, not its content
    """Secret in the controller's namespace that self-managed certificates are kept in."""
    mutating: str = "dgdr-mutating-webhook-configuration"
    """MutatingWebhookConfiguration that the CA is written into."""
    validating: str = "dgdr-validating-webhook-configuration"
    """ValidatingWebhookConfiguration that the CA is written into."""


def _stripped(value: object) -> object:
    """Strip a text: a value in a ConfigMap may end with a line break."""
    return value.strip() if isinstance(value, str) else value


class HardwareSettings(BaseModel):
    """How the cluster's GPUs are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    discovery: bool = True
    """Look for GPUs where a request does not describe them: at nodes, DCGM exporters, and the pods that use GPUs."""


class RightsSettings(BaseModel):
    """What config/policy asks of those who write requests; by default it is not there, and nobody has been asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Annotated[Literal["open", "enforce", "forbid"], BeforeValidator(_stripped)] = "forbid"
    """open, enforce or forbid. With forbid, requests that take more than the right to write them are refused by the
    controller too."""
    images: str = "nvcr.io/nvidia"
    """Registries and paths that spec.image may be from all the same, separated by commas."""

    @property
    def registries(self) -> tuple[str, ...]:
        """The same, each with the slash that ends it."""
        return tuple(f"{registry.strip().rstrip('/')}/" for registry in self.images.split(",") if registry.strip())


class Settings(BaseSettings):
    """All settings; nested names are joined by two underscores."""

    model_config = SettingsConfigDict(env_prefix="DGDR_", env_nested_delimiter="__", frozen=True)

    dynamo: DynamoSettings = DynamoSettings()
    """Dynamo's images."""
    profiling: ProfilingSettings = ProfilingSettings()
    """Profiling Jobs."""
    webhook: WebhookSettings = WebhookSettings()
    """Conversion and admission."""
    hardware: HardwareSettings = HardwareSettings()
    """Discovery of GPUs."""
    rights: RightsSettings = RightsSettings()
    """What takes more than the right to write requests."""
    hf_token_secret: str = "hf-token-secret"  # noqa: S105 - the name of a Secret, not its content
    """Secret with the key HF_TOKEN for gated models; deployments work without it."""
    deployment_deadline_s: int = Field(default=7200, ge=60)
    """After how many seconds a deployment that is not healthy is reported; it is followed all the same."""
    verify_s: int = Field(default=0, ge=0, le=3600)
    """For how many seconds a deployment is measured once it is healthy, where annotation `dgdr.nvidia.com/verify` does
    not say; 0: not at all."""
    results_page: bool = True
    """Serve the results page of requests with `autoApply: false`: one small pod for each of them."""
    prometheus_endpoint: str = (
        "http://prometheus-kube-prometheus-prometheus.monitoring.svc.cluster.local:9090"  # as the planner guide has it
    )
    """Where Dynamo's planner reads metrics."""
