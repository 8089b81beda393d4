"""One profiling run of a request: what it is for, and for how long it may run."""

import hashlib
import json
from dataclasses import dataclass

from dgdr_api.hardware import HardwareUsed
from dgdr_api.job_spec import OUTPUT_VOLUME
from dgdr_api.measurements import Measurements
from dgdr_api.options import runs_its_image
from dgdr_api.preserved import as_far_as_known, search_annotations
from dgdr_api.updates import CHANGEABLE
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase, SearchStrategy
from dgdr_controller.manifest import Manifest, inside
from dgdr_controller.profiling_job.protocol import DeploymentSettings
from dgdr_controller.settings import Settings

_DIGITS = 12


_FOR_PEOPLE = {"interconnect", "interconnect_source", "rdma", "rdma_source"}
"""Of the hardware, what no result depends on."""


@dataclass(frozen=True, slots=True)
class Run:
    """One profiling run of a request.

    Attributes:
        request: The request, as read from the API server.
        hardware: The hardware that it is profiled for.
        settings: The installation's settings.
        release: The release of Dynamo whose engines run; None: the newest that is known.
        v1alpha1: Whether the cluster serves DynamoGraphDeployments in that version alone.
        measurements: What was measured at this site; None: nothing.
        base: Text of the user's own deployment that the plan is put into; None: there is none.
    """

    request: DynamoGraphDeploymentRequest
    hardware: HardwareUsed
    settings: Settings
    release: str | None = None
    v1alpha1: bool = False
    measurements: Measurements | None = None
    base: str | None = None

    @property
    def inputs(self) -> str:
        """Hash of what the result depends on: request, hardware, profiler's image, engines, measurements, base."""
        hardware = self.hardware.model_dump(mode="json", exclude=_FOR_PEOPLE)
        annotations = search_annotations(self.request.metadata.annotations)
        measurements = self.measurements.model_dump(mode="json") if self.measurements else None
        rest = [value for value in (annotations, self.release, measurements, self.base) if value]
        return digest([_spec(self.request), hardware, self.image, *rest])

    @property
    def is_thorough(self) -> bool:
        """Whether our profiler measures deployments."""
        return not self.own_image and self.request.spec.search_strategy is SearchStrategy.THOROUGH

    @property
    def image(self) -> str:
        """Image of our profiler: measuring takes a program that is ten times as large as the rest."""
        profiling = self.settings.profiling
        return profiling.measurer_image if self.is_thorough else profiling.image

    @property
    def deployment(self) -> DeploymentSettings:
        """What the deployment is rendered with; no result depends on it."""
        settings = self.settings
        return DeploymentSettings(
            dynamo=settings.dynamo,
            hf_token_secret=settings.hf_token_secret,
            prometheus_endpoint=settings.prometheus_endpoint,
            v1alpha1=self.v1alpha1,
        )

    @property
    def own_image(self) -> bool:
        """Whether ``spec.image`` profiles, as Dynamo's profiler does."""
        return runs_its_image(self.request.metadata.annotations)

    @property
    def name(self) -> str:
        """Name of the request."""
        return self.request.metadata.name

    @property
    def input_name(self) -> str:
        """Name of the ConfigMap with the input."""
        text = f"{self.request.metadata.uid} {self.inputs} {self.deployment.model_dump_json()}"
        suffix = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"dgdr-input-{self.name}-{suffix}"


def spec_hash(request: DynamoGraphDeploymentRequest) -> str:
    """Return a hash of what a request asks for, but of what may change after profiling.

    A default that a later version adds changes nothing in it.
    """
    asked = request.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    changeable = CHANGEABLE[Phase.READY] or frozenset()
    return digest({name: value for name, value in asked.items() if name not in changeable})


def _spec(request: DynamoGraphDeploymentRequest) -> Manifest:
    return request.spec.model_dump(mode="json", exclude={"auto_apply"}, exclude_none=True)


def digest(value: object) -> str:
    """Return a hash of what JSON can say, by which inputs are told from others."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def deadline_s(request: DynamoGraphDeploymentRequest, settings: Settings) -> int:
    """Return the seconds after which Kubernetes ends the Job."""
    thorough = request.spec.search_strategy is SearchStrategy.THOROUGH
    usual = settings.profiling.thorough_deadline_s if thorough else settings.profiling.rapid_deadline_s
    return int(override_of(request).get("activeDeadlineSeconds") or usual)


def output_volume(request: DynamoGraphDeploymentRequest) -> Manifest | None:
    """Return where a request keeps the profiler's files, as the source of a volume; None: nowhere.

    A volume of the override comes before v1alpha1's ``outputPVC``.
    """
    for volume in pod_override_of(request).get("volumes") or []:
        if volume["name"] == OUTPUT_VOLUME:
            source = {key: value for key, value in volume.items() if key != "name" and value is not None}
            return source if source and "emptyDir" not in source else None
    claim = as_far_as_known(request.metadata.annotations).profiling_config.output_pvc
    return {"persistentVolumeClaim": {"claimName": claim}} if claim else None


def override_of(request: DynamoGraphDeploymentRequest) -> Manifest:
    """Return the user's part of the Job."""
    overrides = request.spec.overrides
    return dict((overrides and overrides.profiling_job) or {})


def pod_override_of(request: DynamoGraphDeploymentRequest) -> Manifest:
    """Return the user's part of the Job's pod."""
    return inside(override_of(request), "template", "spec")
