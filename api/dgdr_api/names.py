"""Names, labels and annotations of the objects around a request, and their limits.

Source: the upstream operator's names, which people's scripts match; ours live under ``dgdr.nvidia.com/``.
"""

import hashlib
import re

GROUP = "nvidia.com"
KIND = "DynamoGraphDeploymentRequest"
DGD_KIND = "DynamoGraphDeployment"

LABEL_NAME = "dgdr.nvidia.com/name"
LABEL_NAMESPACE = "dgdr.nvidia.com/namespace"
LABEL_MANAGED_BY = "nvidia.com/managed-by"
LABEL_POD = "nvidia.com/dgdr-name"
LABEL_GRAPH = "nvidia.com/dynamo-graph-deployment-name"
"""Label that Dynamo's operator gives to every pod of a deployment: the deployment's name."""
MANAGED_BY = "dynamo-operator"
LABEL_CONTENT = "dgdr.nvidia.com/content"
"""On the planner's ConfigMaps: what they hold, as their names begin."""
LABEL_TRIAL = "dgdr.nvidia.com/trial"
"""On a deployment that a thorough search measures: id of its candidate. It goes when it is measured."""
ANNOTATION_UID = "dgdr.nvidia.com/uid"

ANNOTATION_INPUTS = "dgdr.nvidia.com/inputs"
"""Hash of what a profiling Job works from: results of other inputs are not used."""
ANNOTATION_JOB_UID = "dgdr.nvidia.com/job-uid"
ANNOTATION_DEPLOY = "dgdr.nvidia.com/deploy"
"""On a request: deploy this candidate, by its id, or ``recommended``; stands for switching autoApply on."""
RECOMMENDED = "recommended"
"""Its value for the candidate that the search has chosen."""
ANNOTATION_SPEC = "dgdr.nvidia.com/spec"
"""On the output's ConfigMap: hash of the spec that was profiled, without what may change afterwards."""
ANNOTATION_RETRY = "dgdr.nvidia.com/retry"
"""On a failed request: a new value starts it again."""
ANNOTATION_REPLACE = "dgdr.nvidia.com/replace-dgd"
"""On a request: name of a deployment of an earlier request, or of another candidate, that is changed in place."""
ANNOTATION_PROFILER = "dgdr.nvidia.com/profiler"
"""On a request: has ``spec.image`` profile in place of this project's profiler."""
ANNOTATION_CONTEXT_LENGTH = "dgdr.nvidia.com/context-length"
"""On a request: the longest sequence in tokens that engines are started for."""
ANNOTATION_SPECULATIVE = "dgdr.nvidia.com/speculative"
"""On a request: how many tokens a model's own layers draft in each step."""
ANNOTATION_KV_CACHE_DTYPE = "dgdr.nvidia.com/kv-cache-dtype"
"""On a request: the number format of the KV cache."""
ANNOTATION_KEEP_IMAGE = "dgdr.nvidia.com/keep-image"
"""On a request: whether its image stays although its release is not supported."""
ANNOTATION_MEASURING_MINUTES = "dgdr.nvidia.com/measuring-minutes"
"""On a request: how long a thorough search may measure."""
ANNOTATION_MEASURING_GPU_HOURS = "dgdr.nvidia.com/measuring-gpu-hours"
"""On a request: how many GPU hours the deployments may take that a thorough search measures."""
ANNOTATION_VERIFY = "dgdr.nvidia.com/verify"
"""On a request: for how long its deployment is measured once it is healthy."""
ANNOTATION_VERIFIED = "dgdr.nvidia.com/verified"
"""On a request: what was measured last of its deployment, as a hash; without it, it is measured again."""
ANNOTATION_RETRIED = "dgdr.nvidia.com/retried"
ANNOTATION_CANDIDATE = "dgdr.nvidia.com/candidate"
"""On a deployment: id of the candidate that it was rendered from."""
ANNOTATION_GPUS = "dgdr.nvidia.com/gpus"
"""On a deployment that a thorough search measures: how many GPUs it takes."""
ANNOTATION_PRESERVED = "nvidia.com/dgdr-spec"
"""On a request: what only v1alpha1 can say of it, as JSON."""
ANNOTATION_PRESERVED_STATUS = "nvidia.com/dgdr-status"
"""On a request: what only v1alpha1 can say of its status, as JSON."""
ANNOTATION_DEFAULTS = "dgdr.nvidia.com/defaults"
"""On a request: the version, and for v1alpha1 the form, whose defaults apply where it is silent."""
ANNOTATION_GENERATED = "nvidia.com/generated-dgd-spec"

PROFILING_SERVICE_ACCOUNT = "dgdr-profiling-job"

MEASUREMENTS = "dgdr-measurements"
"""ConfigMap with a site's own measurements, which correct the estimates of the requests in its namespace."""

MAX_REQUEST_NAME = 55
"""Longest request name: ``<name>-dgdr`` must fit a Service name (63 characters) with room for its suffixes."""

MAX_GRAPH_AND_COMPONENT = 45
"""Longest sum of DGD name and component name that the Dynamo operator's gang scheduler (Grove) accepts."""

DYNAMOS_FINALIZER = "nvidia.com/finalizer"
"""Finalizer that Dynamo's own controller adds to requests; it delays their deletion and does nothing else."""
OUTPUT_PREFIX = "dgdr-output-"
"""How names of the ConfigMaps with the profiling's output begin."""

_TRIAL_DIGITS = 6

_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def dgd_name(request: str) -> str:
    """Return the name of the DGD that belongs to the request of this name."""
    return f"{request}-dgd"


def trial_name(request: str, uid: str, candidate: str) -> str:
    """Return the name of the deployment by which a candidate is measured for a request.

    It is no longer than that of the request's own deployment (of names of three letters and more): where that fits, so
    does this one.
    """
    digest = hashlib.sha256(f"{uid} {candidate}".encode()).hexdigest()[:_TRIAL_DIGITS]
    kept = max(1, len(dgd_name(request)) - _TRIAL_DIGITS - 1)
    return f"{request[:kept].rstrip('-')}-{digest}"


def job_name(request: str) -> str:
    """Return the name of the profiling Job of the request of this name."""
    return f"profile-{request}"


def verification_name(request: str) -> str:
    """Return the name of the Job that measures the request's deployment."""
    return f"verify-{request}"


def results_page_name(request: str) -> str:
    """Return the name of the objects that serve the request's results page, its Service among them."""
    return f"{request}-dgdr"


def output_name(request: str) -> str:
    """Return the name of the ConfigMap that carries the profiling's output."""
    return f"{OUTPUT_PREFIX}{request}"


def is_service_name(name: str) -> bool:
    """Say whether Kubernetes would take this as the beginning of a Service's name (RFC 1035 label)."""
    return _SERVICE_NAME.fullmatch(name) is not None
