"""The objects of one profiling run: its input, its output, its rights and the Job. The same inputs, the same bytes.

Names and labels: dynamo-controller-facts §2.1. What deviates from upstream's Job, and why: profiling-job.md.
"""

import hashlib
import json
from dataclasses import dataclass

from dgdr_api.defaults import Cache, effective
from dgdr_api.hardware import HardwareUsed
from dgdr_api.job_spec import PROFILER, PUBLISHER
from dgdr_api.names import (
    ANNOTATION_INPUTS,
    ANNOTATION_UID,
    KIND,
    LABEL_MANAGED_BY,
    LABEL_NAME,
    LABEL_NAMESPACE,
    LABEL_POD,
    MANAGED_BY,
    PROFILING_SERVICE_ACCOUNT,
    job_name,
    output_name,
)
from dgdr_api.preserved import origin
from dgdr_api.v1beta1 import API_VERSION, DynamoGraphDeploymentRequest, ObjectMeta
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.overrides import merged
from dgdr_controller.profiling_job.protocol import JobInput
from dgdr_controller.settings import Settings

INPUT_FILE = "input.json"
_CONFIG_DIR = "/config"
_DATA_DIR = "/data"
_TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_FLUSH_S = 630
"""Seconds that the publisher has for its last writes when the API server is away."""
_REPORT_S = 120
"""Seconds by which the profiler's own deadline is shorter: the Job's deletes pods, and with them what they say."""
_RETRIES = 2
_DIGITS = 12

_FINAL = (ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE, 126, 127, 128)
"""Exit codes that another try does not change; 126 to 128: the program cannot be started."""


@dataclass(frozen=True, slots=True)
class Run:
    """One profiling run of a request.

    Attributes:
        request: The request, as read from the API server.
        hardware: The hardware that it is profiled for.
        settings: The installation's settings.
    """

    request: DynamoGraphDeploymentRequest
    hardware: HardwareUsed
    settings: Settings

    @property
    def inputs(self) -> str:
        """Hash of what the result depends on: what the request says, the hardware and the profiler's image."""
        spec = self.request.spec.model_dump(mode="json", exclude={"auto_apply"}, exclude_none=True)
        hardware = self.hardware.model_dump(mode="json")
        origin_fields = origin(self.request.metadata.annotations)
        text = json.dumps(
            [spec, hardware, self.settings.profiling.image, *([origin_fields] if origin_fields else [])], sort_keys=True
        )
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    @property
    def name(self) -> str:
        """Name of the request."""
        return self.request.metadata.name

    @property
    def input_name(self) -> str:
        """Name of the ConfigMap with the input."""
        digest = hashlib.sha256(f"{self.request.metadata.uid} {self.inputs}".encode()).hexdigest()[:8]
        return f"dgdr-input-{self.name}-{digest}"


def deadline_s(request: DynamoGraphDeploymentRequest, settings: Settings) -> int:
    """Return the seconds after which Kubernetes ends the Job."""
    return int(_override(request).get("activeDeadlineSeconds") or settings.profiling.rapid_deadline_s)


def _override(request: DynamoGraphDeploymentRequest) -> Manifest:
    overrides = request.spec.overrides
    return dict((overrides and overrides.profiling_job) or {})


def owner_reference(request: DynamoGraphDeploymentRequest) -> Manifest:
    """Return the reference by which an object goes with its request."""
    metadata = request.metadata
    return {"apiVersion": API_VERSION, "kind": KIND, "name": metadata.name, "uid": metadata.uid, "controller": True}


def labels(request: DynamoGraphDeploymentRequest) -> dict[str, str]:
    """Return the labels of every object that we make for a request."""
    metadata = request.metadata
    return {
        LABEL_NAME: metadata.name,
        LABEL_NAMESPACE: metadata.namespace or "",
        LABEL_MANAGED_BY: MANAGED_BY,
    }


def _metadata(run: Run, name: str) -> Manifest:
    metadata = run.request.metadata
    return {
        "name": name,
        "namespace": metadata.namespace,
        "labels": labels(run.request),
        "annotations": {ANNOTATION_UID: metadata.uid, ANNOTATION_INPUTS: run.inputs},
        "ownerReferences": [owner_reference(run.request)],
    }


def input_config_map(run: Run) -> Manifest:
    """Return the immutable ConfigMap that the Job works from: arguments have a limit, and this can be read."""
    metadata = run.request.metadata
    origin_fields = origin(metadata.annotations) or None
    identity = ObjectMeta(name=metadata.name, namespace=metadata.namespace, uid=metadata.uid, annotations=origin_fields)
    request = run.request.model_copy(update={"metadata": identity, "status": None})
    content = JobInput(request=request, hardware=run.hardware)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(run, run.input_name),
        "immutable": True,
        "data": {INPUT_FILE: content.model_dump_json(exclude_none=True, indent=1)},
    }


def output_config_map(run: Run) -> Manifest:
    """Return the ConfigMap that the publisher writes into, as it begins: empty."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(run, output_name(run.name))}


def service_account(run: Run) -> Manifest:
    """Return the account of all profiling Jobs of a namespace; nobody owns it."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": PROFILING_SERVICE_ACCOUNT,
            "namespace": run.request.metadata.namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
        },
    }


def role(run: Run) -> Manifest:
    """Return the right to write one ConfigMap, which is all that a Job may do."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [output_name(run.name)]}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _metadata(run, output_name(run.name)),
        "rules": [rule | {"verbs": ["get", "patch"]}],
    }


def role_binding(run: Run) -> Manifest:
    """Return the binding of that right to the Jobs' account."""
    pod = (_override(run.request).get("template") or {}).get("spec") or {}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(run, output_name(run.name)),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": output_name(run.name)},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": pod.get("serviceAccountName") or PROFILING_SERVICE_ACCOUNT,
                "namespace": run.request.metadata.namespace,
            }
        ],
    }


def job(run: Run) -> Manifest:
    """Return the profiling Job."""
    metadata = _metadata(run, job_name(run.name))
    metadata["labels"] |= {"app": "dynamo-profiler", "dgdr": run.name}
    spec = {
        "backoffLimit": _RETRIES,
        "activeDeadlineSeconds": deadline_s(run.request, run.settings),
        "podFailurePolicy": {"rules": _failure_rules()},
        "template": {
            "metadata": {"labels": labels(run.request) | {LABEL_POD: run.name, "app": "dynamo-profiler"}},
            "spec": _pod(run),
        },
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": merged(spec, _override(run.request))}


def _failure_rules() -> list[Manifest]:
    """Return what an end of a pod means; the first rule that fits decides."""

    def exits(*codes: int) -> Manifest:
        return {"onExitCodes": {"containerName": PROFILER, "operator": "In", "values": sorted(map(int, codes))}}

    return [
        {"action": "FailJob"} | exits(*_FINAL),
        {"action": "Ignore"} | exits(ExitCode.INTERRUPTED),
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]


def _pod(run: Run) -> Manifest:
    profiling, deadline = run.settings.profiling, deadline_s(run.request, run.settings)
    config = {"name": "input", "mountPath": _CONFIG_DIR, "readOnly": True}
    data = {"name": "profiling-output", "mountPath": _DATA_DIR}
    cache = effective(run.request).model_cache
    weights = [{"name": "model-cache", "mountPath": cache.mount_path, "readOnly": True}] if cache else []
    temporary = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in a container of its own
    profiler = {
        "name": PROFILER,
        "image": profiling.image,
        "imagePullPolicy": profiling.pull_policy,
        "args": [
            "profile",
            f"--config={_CONFIG_DIR}/{INPUT_FILE}",
            f"--output-dir={_DATA_DIR}",
            f"--deadline={max(deadline - _REPORT_S, deadline // 2)}",
        ],
        "env": [*_identity(run), *_token(run.settings.hf_token_secret)],
        "volumeMounts": [config, data, temporary, *weights],
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "8Gi"}},
        "securityContext": _locked_down(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    publisher = {
        "name": PUBLISHER,
        "image": profiling.publisher_image,
        "imagePullPolicy": profiling.pull_policy,
        "restartPolicy": "Always",  # a native sidecar: ended by the kubelet after the profiler, and not counted
        "args": ["publish", f"--output-dir={_DATA_DIR}"],
        "env": [
            *_identity(run),
            {"name": "DGDR_INPUTS", "value": run.inputs},
            _from_pod("DGDR_JOB_UID", "metadata.labels['batch.kubernetes.io/controller-uid']"),
        ],
        "volumeMounts": [
            data | {"readOnly": True},
            {"name": "output-copier-kube-api-access", "mountPath": _TOKEN_DIR, "readOnly": True},
            temporary,
        ],
        # CPU in proportion to the profiler's beside it, or it does not even start while that works.
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": _locked_down(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    return {
        "serviceAccountName": PROFILING_SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,  # the publisher mounts it by itself; the profiler needs none
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _FLUSH_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": name} for name in profiling.pull_secrets],
        "initContainers": [publisher],
        "containers": [profiler],
        "volumes": [
            {"name": "input", "configMap": {"name": run.input_name}},
            {"name": "profiling-output", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            _api_access(),
            *([_claim(cache)] if cache else []),
        ],
    }


def _claim(cache: Cache) -> Manifest:
    return {"name": "model-cache", "persistentVolumeClaim": {"claimName": cache.pvc_name, "readOnly": True}}


def _identity(run: Run) -> list[Manifest]:
    metadata = run.request.metadata
    facts = {"DGDR_NAME": metadata.name, "DGDR_NAMESPACE": metadata.namespace, "DGDR_UID": metadata.uid}
    return [{"name": name, "value": value} for name, value in facts.items()]


def _token(secret: str) -> list[Manifest]:
    """Return the token for gated models: pods start without it, unlike upstream's."""
    source = {"secretKeyRef": {"name": secret, "key": "HF_TOKEN", "optional": True}}
    return [{"name": name, "valueFrom": source} for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")]


def _from_pod(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _locked_down() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _api_access() -> Manifest:
    """Return what a container needs to speak with the API server, as the kubelet would mount it by itself."""
    authority = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    namespace = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}
    return {
        "name": "output-copier-kube-api-access",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3600, "path": "token"}},
                authority,
                {"downwardAPI": {"items": [namespace]}},
            ]
        },
    }
