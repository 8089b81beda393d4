"""The rules that a request must keep, beyond the shape of its fields.

Each rule is one function from a request to the errors that it finds; `RULES` is the whole list. Where Dynamo's webhook,
controller or profiler has a message for it, that is used: people and scripts know them.
"""

import json
from collections.abc import Callable, Iterator

from pydantic import JsonValue

from dgdr_api import job_spec, syntax
from dgdr_api.conversion import kept_spec
from dgdr_api.conversion.validation import validate_kept, without_effect
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.gpus import find_gpu, unknown_gpu
from dgdr_api.images import image_tag, is_image, is_version
from dgdr_api.names import (
    ANNOTATION_PROFILER,
    MAX_GRAPH_AND_COMPONENT,
    MAX_REQUEST_NAME,
    dgd_name,
    is_service_name,
)
from dgdr_api.options import runs_its_image, search_options
from dgdr_api.preserved import as_far_as_known
from dgdr_api.text import shown
from dgdr_api.v1beta1 import Backend, DynamoGraphDeploymentRequest, SearchStrategy
from dgdr_api.verification import verification_s

Rule = Callable[[DynamoGraphDeploymentRequest], Iterator[FieldError]]

_LONGEST_COMPONENT = "Frontend"


def validate(request: DynamoGraphDeploymentRequest) -> list[FieldError]:
    """Return everything that is wrong with a request, in the order of its fields; empty when it is valid."""
    return [error for rule in RULES for error in rule(request)]


def warnings(request: DynamoGraphDeploymentRequest) -> list[str]:
    """Return a sentence for each thing that is allowed but probably not what the user should write."""
    return [
        *_deprecated(request),
        *without_effect(_kept(request), request.spec.model_dump(mode="json")),
    ]


def _deprecated(request: DynamoGraphDeploymentRequest) -> Iterator[str]:
    hardware = request.spec.hardware
    gpu = find_gpu(hardware.gpu_sku) if hardware and hardware.gpu_sku else None
    if hardware and gpu and hardware.gpu_sku in gpu.deprecated:
        yield f'spec.hardware.gpuSku: "{hardware.gpu_sku}" is deprecated; use "{gpu.sku}"'


def _options(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    for read in (search_options, verification_s):
        try:
            read(request.metadata.annotations)
        except InvalidRequestError as error:
            yield from error.errors


def _pod_override(request: DynamoGraphDeploymentRequest) -> dict[str, JsonValue]:
    """Return the user's part of the profiling pod's spec; what has no such shape is refused elsewhere."""
    found: JsonValue = (request.spec.overrides and request.spec.overrides.profiling_job) or {}
    for name in ("template", "spec"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _own_profiler(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    """Refuse what a profiler in ``spec.image`` cannot do, before it has run for hours."""
    if not runs_its_image(request.metadata.annotations):
        return
    spec, cause = request.spec, f"annotation {ANNOTATION_PROFILER} has it profile"
    if not spec.image:
        yield FieldError("spec.image", "Required value", f"names the image that profiles: {cause}")
    pod = _pod_override(request)
    if spec.search_strategy is SearchStrategy.THOROUGH and not pod.get("serviceAccountName"):
        path = "spec.overrides.profilingJob.template.spec.serviceAccountName"
        detail = (
            "names an account that may create DynamoGraphDeployments and read their pods and logs: Dynamo's profiler "
            "deploys what it measures by itself"
        )
        yield FieldError(path, "Required value", detail)
    if as_far_as_known(request.metadata.annotations).base is not None:
        detail = f"Dynamo's profiler makes the whole deployment: remove it, or annotation {ANNOTATION_PROFILER}"
        yield FieldError("spec.profilingConfig.configMapRef", "Forbidden", detail)


def _kept(request: DynamoGraphDeploymentRequest) -> dict[str, JsonValue]:
    return kept_spec(dict(request.metadata.annotations or {}))


def _name(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    name = request.metadata.name
    if len(name) > MAX_REQUEST_NAME:
        yield FieldError("metadata.name", "Too long", f"must have at most {MAX_REQUEST_NAME} characters")
    elif not is_service_name(name):
        yield FieldError(
            "metadata.name",
            f'Invalid value: "{name}"',
            "must start with a lower-case letter and hold only lower-case letters, digits and '-' "
            "(Services are named after it)",
        )
    elif len(dgd_name(name)) + len(_LONGEST_COMPONENT) > MAX_GRAPH_AND_COMPONENT:
        allowed = MAX_GRAPH_AND_COMPONENT - len(_LONGEST_COMPONENT) - len(dgd_name(""))
        yield FieldError(
            "metadata.name",
            "Too long",
            f'the deployment "{dgd_name(name)}" and its component "{_LONGEST_COMPONENT}" may have '
            f"{MAX_GRAPH_AND_COMPONENT} characters together: use at most {allowed} here",
        )


def _namespace(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    namespace = request.metadata.namespace
    if namespace is not None and syntax.dns_label(namespace):
        yield FieldError("metadata.namespace", f'Invalid value: "{namespace}"', "must be a DNS label (RFC 1123)")


def _model(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    if not request.spec.model.strip():
        yield FieldError("spec.model", "Required value")


def _runtime_version(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    spec = request.spec
    if spec.image and not is_image(spec.image):
        detail = "must be an image such as nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1"
        yield FieldError("spec.image", f"Invalid value: {shown(spec.image)}", detail)
    elif spec.image and not spec.runtime_version_override and not is_version(image_tag(spec.image)):
        yield FieldError(
            "spec.runtimeVersionOverride",
            "Required value",
            "is required when spec.image has no parseable semantic-version tag",
        )


def _strategy(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    # Dynamo's proposal for DGDRs has both together, in v1alpha1: there the simulation chooses the engine.
    as_v1alpha1 = as_far_as_known(request.metadata.annotations).from_v1alpha1
    thorough = request.spec.search_strategy is SearchStrategy.THOROUGH
    if thorough and request.spec.backend is Backend.AUTO and not as_v1alpha1:
        yield FieldError(
            "spec.searchStrategy",
            'Invalid value: "thorough"',
            'is incompatible with spec.backend "auto"; '
            "set spec.backend to a specific backend (sglang, trtllm, or vllm)",
        )


def _base(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    base = as_far_as_known(request.metadata.annotations).base
    if base is not None and syntax.dns_subdomain(base.name):
        wrong = f"Invalid value: {shown(base.name)}"
        yield FieldError("spec.profilingConfig.configMapRef.name", wrong, "must be a DNS subdomain (RFC 1123)")


def _model_cache(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    cache = request.spec.model_cache
    if cache is None:
        return
    if cache.pvc_name is None:
        yield FieldError("spec.modelCache.pvcName", "Required value")
    elif syntax.dns_subdomain(cache.pvc_name):
        wrong = f"Invalid value: {shown(cache.pvc_name)}"
        yield FieldError("spec.modelCache.pvcName", wrong, "must be a DNS subdomain (RFC 1123)")
    model_path = ("pvcModelPath", cache.pvc_model_path), ("pvcPath", cache.pvc_path)
    for names in (
        (*model_path, ("modelPathInPvc", cache.model_path_in_pvc)),
        (("pvcMountPath", cache.pvc_mount_path), ("mountPath", cache.mount_path)),
    ):
        written = [(name, value) for name, value in names if value is not None]
        for name, value in written[1:]:
            first, known = written[0]
            if value != known:
                yield FieldError(
                    f"spec.modelCache.{name}",
                    f"Invalid value: {json.dumps(value)}",
                    f'is an alias of {first}, which is "{known}"; set only one of them',
                )


def _gpu_sku(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    sku = request.spec.hardware.gpu_sku if request.spec.hardware else None
    if sku is not None and find_gpu(sku) is None:
        yield unknown_gpu("spec.hardware.gpuSku", sku)


def _load(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    workload = request.spec.workload
    if workload and workload.concurrency is not None and workload.request_rate is not None:
        yield FieldError(
            "spec.workload",
            "Forbidden",
            "Only one of 'concurrency' or 'requestRate' can be provided, not both.",
        )


def _targets(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    sla = request.spec.sla
    if sla and sla.e2e_latency is not None and (sla.ttft is not None or sla.itl is not None):
        yield FieldError("spec.sla", "Forbidden", "SLA must specify either (ttft and itl) or e2eLatency, not both.")


def _profiling_job(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    if request.spec.overrides:
        yield from job_spec.validate(request.spec.overrides.profiling_job)


def _v1alpha1(request: DynamoGraphDeploymentRequest) -> Iterator[FieldError]:
    yield from validate_kept(_kept(request))


RULES: tuple[Rule, ...] = (
    _name,
    _namespace,
    _model,
    _runtime_version,
    _strategy,
    _model_cache,
    _base,
    _gpu_sku,
    _load,
    _targets,
    _profiling_job,
    _options,
    _own_profiler,
    _v1alpha1,
)
"""Every rule, in the order of the fields that they are about."""
