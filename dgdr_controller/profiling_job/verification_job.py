"""The Job that measures a request's deployment: ``dgdr measure`` at the load that it was planned for.

Everything that it works from is in the Job, and what it has measured is its container's termination message: it needs
no rights in the cluster.
"""

import math
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from dgdr_api.defaults import effective
from dgdr_api.job_spec import OUTPUT_VOLUME, PROFILER
from dgdr_api.names import ANNOTATION_INPUTS, ANNOTATION_UID, LABEL_POD, verification_name
from dgdr_api.preserved import search_annotations
from dgdr_api.trials import MeasuredPoint
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Features, ObjectMeta
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import containers
from dgdr_controller.profiling_job.builder import labels, owner_reference
from dgdr_controller.profiling_job.dynamo_profiler import DATA_DIR
from dgdr_controller.profiling_job.overrides import merged
from dgdr_controller.profiling_job.run import digest, output_volume, override_of, pod_override_of
from dgdr_controller.settings import Settings

MOST_REQUESTS = 10_000
"""Requests that are measured at most, however many the deployment serves in the time."""
_VOLUME, _FOLDER, _FILE = "verification-request", "/request", "request.json"
_REQUEST = "dgdr.nvidia.com/request"
"""Annotation of the pod: the request, which the container reads as a file."""
_RESULT = "/dev/termination-log"
_SLOWER = 10
"""A verification may take so many times as long as was asked for: a deployment may be far from its plan."""
_ROUNDS, _ROUNDS_SLOWER = 6, 3
"""Requests in turn that are measured at least, with those that warm up, and how many times as long they may take."""
_KEPT_S = 86_400
"""How long a Job that has ended is kept for its log."""
_STARTING_S = 300
"""Seconds that AIPerf may take besides: it makes the prompts first."""
_NOT_FOR_THIS_POD = frozenset(
    ("initContainers", "serviceAccountName", "serviceAccount", "automountServiceAccountToken")
)
_POINTS = TypeAdapter(list[MeasuredPoint])


@dataclass(frozen=True, slots=True)
class Verification:
    """One verification of a deployment.

    Attributes:
        request: The request.
        settings: The installation's settings.
        deployment: UID of the deployment.
        candidate: Id of the candidate that it was made from.
        seconds: How long it is to be measured.
    """

    request: DynamoGraphDeploymentRequest
    settings: Settings
    deployment: str
    candidate: str
    seconds: int

    @property
    def inputs(self) -> str:
        """Hash of what is measured: other deployments are measured anew, and so is one for another time."""
        return digest([self.deployment, self.candidate, self.seconds])

    def requests(self, per_second: float | None) -> int:
        """Return how many requests are measured at least: as many as the plan serves in the time.

        Args:
            per_second: Requests per second that are planned; None: nothing is.
        """
        return 1 if per_second is None else max(1, min(MOST_REQUESTS, math.ceil(per_second * self.seconds)))


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """How a deployment is measured.

    Attributes:
        endpoint: URL of its frontend.
        tokenizer: Folder with the model's tokenizer, or its id on the Hugging Face hub.
        concurrency: Requests in flight.
        requests: Requests that are measured at least.
        e2e_s: Latency of a request that is planned, in seconds; 0: not known.
    """

    endpoint: str
    tokenizer: str
    concurrency: int
    requests: int
    e2e_s: float = 0.0


def verification_job(verification: Verification, load: PlannedLoad) -> Manifest:
    """Return the Job."""
    request, settings = verification.request, verification.settings
    rounds_s = math.ceil(_ROUNDS * _ROUNDS_SLOWER * load.e2e_s)
    measuring_s = max(_SLOWER * verification.seconds, rounds_s) + _STARTING_S
    spec = {
        "backoffLimit": 0,  # each try is a load on what serves
        "activeDeadlineSeconds": settings.profiling.stuck_pod_grace_s + measuring_s,
        "ttlSecondsAfterFinished": _KEPT_S,
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        "template": {
            "metadata": {
                "labels": labels(request) | {LABEL_POD: request.metadata.name},
                "annotations": {_REQUEST: _asked(request)},
            },
            "spec": _pod(verification, load, measuring_s),
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": verification_name(request.metadata.name),
            "namespace": request.metadata.namespace,
            "labels": labels(request),
            "annotations": {ANNOTATION_UID: request.metadata.uid, ANNOTATION_INPUTS: verification.inputs},
            "ownerReferences": [owner_reference(request)],
        },
        "spec": merged(spec, _override(request)),
    }


def measured(message: str) -> MeasuredPoint | None:
    """Read what was measured from the container's termination message; None where it is something else."""
    try:
        points = _POINTS.validate_json(message)
    except ValidationError:
        return None
    return points[0] if len(points) == 1 else None


def _asked(request: DynamoGraphDeploymentRequest) -> str:
    """Return the request as far as it is measured by: workload and targets."""
    metadata = request.metadata
    identity = ObjectMeta(
        name=metadata.name, namespace=metadata.namespace, annotations=search_annotations(metadata.annotations) or None
    )
    features = Features(mocker=request.spec.features.mocker) if request.spec.features else None
    spec = request.spec.model_copy(update={"overrides": None, "features": features})
    asked = request.model_copy(update={"metadata": identity, "spec": spec, "status": None})
    return asked.model_dump_json(by_alias=True, exclude_none=True)


def _pod(verification: Verification, load: PlannedLoad, measuring_s: int) -> Manifest:
    request, profiling = verification.request, verification.settings.profiling
    cache, kept = effective(request).model_cache, output_volume(request)
    volumes = [
        {"name": _VOLUME, "downwardAPI": {"items": [_request_file()]}},
        {"name": containers.TEMPORARY["name"], "emptyDir": {}},
        *([{"name": OUTPUT_VOLUME, **kept}] if kept else []),
        *([containers.cache_volume(cache)] if cache else []),
    ]
    mounts = [
        {"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True},
        containers.TEMPORARY,
        *([{"name": OUTPUT_VOLUME, "mountPath": DATA_DIR}] if kept else []),
        *([containers.cache_mount(cache)] if cache else []),
    ]
    args = [
        "measure",
        f"--file={_FOLDER}/{_FILE}",
        f"--endpoint={load.endpoint}",
        f"--tokenizer={load.tokenizer}",
        f"--concurrency={load.concurrency}",
        f"--requests={load.requests}",
        f"--deadline={measuring_s}",
        f"--output={_RESULT}",
        *([f"--output-dir={DATA_DIR}/{request.metadata.name}/verification/{verification.inputs}"] if kept else []),
    ]
    return {
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "securityContext": containers.of_pod(),
        "imagePullSecrets": [{"name": name} for name in profiling.pull_secrets],
        "containers": [
            {
                "name": PROFILER,
                "image": profiling.measurer_image,
                "imagePullPolicy": profiling.pull_policy,
                "args": args,
                "env": containers.hub_token(verification.settings.hf_token_secret),
                "volumeMounts": mounts,
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "8Gi"}},
                "securityContext": containers.locked_down(),
                "terminationMessagePath": _RESULT,
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
        "volumes": volumes,
    }


def _request_file() -> Manifest:
    return {"path": _FILE, "fieldRef": {"fieldPath": f"metadata.annotations['{_REQUEST}']"}}


def _override(request: DynamoGraphDeploymentRequest) -> Manifest:
    """Return what the user lays over pods of the profiling Job: where they run, and with what; not as whom."""
    pod = {name: value for name, value in pod_override_of(request).items() if name not in _NOT_FOR_THIS_POD}
    pod["containers"] = [
        {name: value for name, value in container.items() if name != "image"}
        for container in pod.get("containers") or []
        if container["name"] == PROFILER
    ]
    pod["volumes"] = [volume for volume in pod.get("volumes") or [] if volume["name"] != _VOLUME]
    template = override_of(request).get("template") or {}
    return {"template": template | {"spec": pod}}
