"""The objects of one profiling run: its input, its output, its rights and the Job. The same inputs, the same bytes.

Names and labels are those of Dynamo's profiling Job, which people's scripts look for. What differs from that Job:
docs/reference/differences-from-dynamo.md.
"""

from dgdr_api.job_spec import PROFILER
from dgdr_api.names import (
    ANNOTATION_INPUTS,
    ANNOTATION_SPEC,
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
from dgdr_api.preserved import search_annotations
from dgdr_api.v1beta1 import API_VERSION, DynamoGraphDeploymentRequest, ObjectMeta
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job.dynamo_profiler import specification
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.overrides import merged
from dgdr_controller.profiling_job.pod import pod
from dgdr_controller.profiling_job.protocol import INPUT_FILE, SPEC_FILE, JobInput
from dgdr_controller.profiling_job.run import Run, deadline_s, override_of, pod_override_of, spec_hash

_RETRIES = 2

_FINAL = (ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE, 126, 127, 128)
"""Exit codes that another try does not change; 126 to 128: the program cannot be started."""


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
    annotations = search_annotations(metadata.annotations) or None
    identity = ObjectMeta(name=metadata.name, namespace=metadata.namespace, uid=metadata.uid, annotations=annotations)
    request = run.request.model_copy(update={"metadata": identity, "status": None})
    content = JobInput(
        request=request,
        hardware=run.hardware,
        release=run.release,
        measurements=run.measurements,
        deployment=run.deployment,
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(run, run.input_name),
        "immutable": True,
        "data": {INPUT_FILE: content.model_dump_json(exclude_none=True, indent=1)}
        | ({SPEC_FILE: specification(run)} if run.own_image else {}),
    }


def output_config_map(run: Run) -> Manifest:
    """Return the ConfigMap that the publisher writes into, as it begins: empty."""
    metadata = _metadata(run, output_name(run.name))
    metadata["annotations"][ANNOTATION_SPEC] = spec_hash(run.request)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


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
    pod = pod_override_of(run.request)
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
        "backoffLimit": 0 if run.own_image else _RETRIES,  # codes of other profilers do not say what a try would change
        "activeDeadlineSeconds": deadline_s(run.request, run.settings),
        "podFailurePolicy": {"rules": [*([] if run.own_image else _exit_rules()), _DISRUPTED]},
        "template": {
            "metadata": {"labels": labels(run.request) | {LABEL_POD: run.name, "app": "dynamo-profiler"}},
            "spec": pod(run),
        },
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": merged(spec, override_of(run.request)),
    }


_DISRUPTED: Manifest = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
"""A pod that was evicted is no failure; after the rules for exit codes, since the first rule that fits decides."""


def _exit_rules() -> list[Manifest]:
    """Return what an exit code of our profiler means."""

    def exits(*codes: int) -> Manifest:
        return {"onExitCodes": {"containerName": PROFILER, "operator": "In", "values": sorted(map(int, codes))}}

    return [
        {"action": "FailJob"} | exits(*_FINAL),
        {"action": "Ignore"} | exits(ExitCode.INTERRUPTED),
    ]
