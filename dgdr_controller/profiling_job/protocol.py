"""What the profiler and the controller exchange while a search runs: its input and its progress."""

from enum import StrEnum

from dgdr_api.hardware import HardwareUsed
from dgdr_api.measurements import Measurements
from dgdr_api.model import ApiModel
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.settings import DynamoSettings, Settings

STATUS_FILE = "profiler_status.yaml"
INPUT_FILE = "input.json"
SPEC_FILE = "spec.json"
"""The same for Dynamo's profiler: the spec alone."""
TRIALS_FILE = "trials.json"
"""What a thorough search wants to be deployed, and what it has measured: a `TrialLog`."""
REPORT_FILE = "report.json"
"""How far that is, for the profiler: a `TrialReport`."""
FINAL_CONFIG = "final_config.yaml"
"""The deployment that was made, as Dynamo's profiler calls its file."""


class ProfilingPhase(StrEnum):
    """Sub-phases of profiling, as people's scripts know them (``status.profilingPhase``)."""

    INITIALIZING = "Initializing"
    SWEEPING_PREFILL = "SweepingPrefill"
    SWEEPING_DECODE = "SweepingDecode"
    SELECTING_CONFIG = "SelectingConfig"
    BUILDING_CURVES = "BuildingCurves"
    GENERATING_DGD = "GeneratingDGD"
    DONE = "Done"


class RunState(StrEnum):
    """How a profiler's run goes."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"


class RunStatus(ApiModel):
    """Where a profiler's run is: the content of ``profiler_status.yaml``."""

    status: RunState
    phase: str
    """Sub-phase; one that is not known is shown as it is."""
    message: str
    error: str = ""
    """Why it failed, for the person who wrote the request."""
    exit_code: int | None = None
    """How it ended."""
    completed: int = 0
    """Steps that are done."""
    total: int = 0
    """Steps in all, as far as they are known."""


class DeploymentSettings(ApiModel):
    """What deployments are rendered with: of the installation's settings, and of the cluster."""

    dynamo: DynamoSettings
    hf_token_secret: str
    prometheus_endpoint: str
    v1alpha1: bool = False
    """Whether the cluster serves DynamoGraphDeployments in that version alone."""

    def settings(self) -> Settings:
        """Return the settings."""
        return Settings(
            dynamo=self.dynamo, hf_token_secret=self.hf_token_secret, prometheus_endpoint=self.prometheus_endpoint
        )


class JobInput(ApiModel):
    """What a profiling Job works from: the content of ``input.json``, mounted from an immutable ConfigMap."""

    request: DynamoGraphDeploymentRequest
    hardware: HardwareUsed
    release: str | None = None
    """Release of Dynamo whose engines run; None: the newest that is known."""
    measurements: Measurements | None = None
    """What was measured at this site; None: nothing."""
    deployment: DeploymentSettings | None = None
    """No result depends on it; None: another version of the controller wrote the input."""
