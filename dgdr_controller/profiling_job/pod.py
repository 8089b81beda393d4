"""The pod of the profiling Job: the profiler, and beside it the publisher as a native sidecar."""

from dgdr_api.defaults import effective
from dgdr_api.job_spec import BASE_VOLUME, EXCHANGE_VOLUME, OUTPUT_VOLUME, PROFILER, PUBLISHER, REPORT_VOLUME
from dgdr_api.names import PROFILING_SERVICE_ACCOUNT
from dgdr_api.preserved import as_far_as_known
from dgdr_api.v1alpha1 import ConfigMapKey
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import containers, dynamo_profiler
from dgdr_controller.profiling_job.dynamo_profiler import DATA_DIR, JOB_UID
from dgdr_controller.profiling_job.protocol import INPUT_FILE
from dgdr_controller.profiling_job.run import Run, deadline_s, output_volume, pod_override_of

_CONFIG_DIR = "/config"
_BASE_DIR = "/base"
_BASE_FILE = "deployment.yaml"
_EXCHANGE_DIR = "/exchange"
_REPORT_DIR = "/report"
_TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_FLUSH_S = 630
"""Seconds that the publisher has for its last writes when the API server is away."""
_REPORT_S = 120
"""Seconds by which the profiler's own deadline is shorter: the Job's deletes pods, and with them what they say."""
_EXCHANGE = {"name": EXCHANGE_VOLUME, "mountPath": _EXCHANGE_DIR}
"""What the result goes through: a volume of ours, so that a full or broken one of the user's does not lose it."""
_REPORT = {"name": REPORT_VOLUME, "mountPath": _REPORT_DIR}
"""The other direction: what the controller answers a thorough search."""
_DATA = {"name": OUTPUT_VOLUME, "mountPath": DATA_DIR}
_JOB_UID: Manifest = {
    "name": JOB_UID,
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}},
}


def pod(run: Run) -> Manifest:
    """Return the pod's spec."""
    cache, base, kept = effective(run.request).model_cache, _base(run), output_volume(run.request)
    return {
        "serviceAccountName": PROFILING_SERVICE_ACCOUNT,
        # The publisher mounts a token by itself. The profiler needs none, but to deploy what it measures by itself.
        "automountServiceAccountToken": run.own_image and "serviceAccountName" in pod_override_of(run.request),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _FLUSH_S,
        "securityContext": containers.of_pod(),
        "imagePullSecrets": [{"name": name} for name in run.settings.profiling.pull_secrets],
        "initContainers": [_publisher(run)],
        "containers": [_profiler(run)],
        "volumes": [
            {"name": "input", "configMap": {"name": run.input_name}},
            {"name": EXCHANGE_VOLUME, "emptyDir": {}},
            *([{"name": REPORT_VOLUME, "emptyDir": {}}] if run.is_thorough else []),
            {"name": OUTPUT_VOLUME, **(kept or {"emptyDir": {}})},
            {"name": "tmp", "emptyDir": {}},
            *([_base_volume(base)] if base else []),
            _api_access(),
            *([containers.cache_volume(cache)] if cache else []),
        ],
    }


def _profiler(run: Run) -> Manifest:
    profiling, deadline = run.settings.profiling, deadline_s(run.request, run.settings)
    cache = effective(run.request).model_cache
    config = {"name": "input", "mountPath": _CONFIG_DIR, "readOnly": True}
    weights = [containers.cache_mount(cache)] if cache else []
    base = [{"name": BASE_VOLUME, "mountPath": _BASE_DIR, "readOnly": True}] if _base(run) else []
    args = [
        "profile",
        f"--config={_CONFIG_DIR}/{INPUT_FILE}",
        f"--output-dir={_EXCHANGE_DIR}",
        f"--deadline={max(deadline - _REPORT_S, deadline // 2)}",
        *([f"--base={_BASE_DIR}/{_BASE_FILE}"] if base else []),
        *(_measuring(run) if run.is_thorough else []),
        # A claim may be for several requests.
        *([f"--artifacts-dir={DATA_DIR}/{run.name}"] if output_volume(run.request) else []),
    ]
    report = [_REPORT | {"readOnly": True}] if run.is_thorough else []
    ours = {"name": PROFILER, "image": run.image, "args": args}
    # Of another image nobody knows where it writes.
    security = containers.locked_down() | ({"readOnlyRootFilesystem": False} if run.own_image else {})
    return (dynamo_profiler.container(run, _CONFIG_DIR) if run.own_image else ours) | {
        "imagePullPolicy": profiling.pull_policy,
        "env": [
            *_identity(run),
            *([_JOB_UID] if run.own_image else []),
            *containers.hub_token(run.settings.hf_token_secret),
        ],
        "volumeMounts": [config, *base, _EXCHANGE, *report, _DATA, containers.TEMPORARY, *weights],
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "8Gi"}},
        "securityContext": security,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _measuring(run: Run) -> list[str]:
    """Return what a thorough search is started with besides."""
    gpu_hours = run.settings.profiling.measuring_gpu_hours
    return [f"--report-dir={_REPORT_DIR}", *([f"--gpu-hours={gpu_hours}"] if gpu_hours else [])]


def _publisher(run: Run) -> Manifest:
    profiling = run.settings.profiling
    return {
        "name": PUBLISHER,
        "image": profiling.publisher_image,
        "imagePullPolicy": profiling.pull_policy,
        "restartPolicy": "Always",  # a native sidecar: ended by the kubelet after the profiler, and not counted
        "args": ["publish", *_published(run)],
        "env": [
            *_identity(run),
            {"name": "DGDR_INPUTS", "value": run.inputs},
            _JOB_UID,
        ],
        "volumeMounts": [
            (_DATA if run.own_image else _EXCHANGE) | {"readOnly": True},
            *([_REPORT] if run.is_thorough else []),
            {"name": "output-copier-kube-api-access", "mountPath": _TOKEN_DIR, "readOnly": True},
            containers.TEMPORARY,
        ],
        # CPU in proportion to the profiler's beside it, or it does not even start while that works.
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": containers.locked_down(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _published(run: Run) -> list[str]:
    """Return what is published: our profiler's files, or Dynamo's."""
    if run.own_image:
        return [f"--output-dir={dynamo_profiler.output_folder(run)}", f"--volume={DATA_DIR}", "--profiler=dynamo"]
    return [f"--output-dir={_EXCHANGE_DIR}", *([f"--report-dir={_REPORT_DIR}"] if run.is_thorough else [])]


def _base(run: Run) -> ConfigMapKey | None:
    """Return where the user's own deployment is, which the plan is put into."""
    return as_far_as_known(run.request.metadata.annotations).base


def _base_volume(base: ConfigMapKey) -> Manifest:
    """Return the volume with it. The controller reports that it is missing; the search does not need it."""
    items = [{"key": base.key, "path": _BASE_FILE}]
    return {"name": BASE_VOLUME, "configMap": {"name": base.name, "items": items, "optional": True}}


def _identity(run: Run) -> list[Manifest]:
    metadata = run.request.metadata
    facts = {"DGDR_NAME": metadata.name, "DGDR_NAMESPACE": metadata.namespace, "DGDR_UID": metadata.uid}
    return [{"name": name, "value": value} for name, value in facts.items()]


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
