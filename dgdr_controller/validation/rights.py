"""What a request may not say where nobody has asked whether its author may: without config/policy, or with ``forbid``.

The policy knows who writes a request, and decides. Where it is not installed the controller would run what anybody who
may write requests puts into one; so here is its list of what is harmless once more, and everything else is refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dgdr_api.errors import FieldError
from dgdr_api.job_spec import PATH as JOB
from dgdr_api.job_spec import PROFILER, PUBLISHER
from dgdr_api.names import ANNOTATION_PROFILER
from dgdr_api.options import runs_its_image
from dgdr_api.preserved import as_far_as_known
from dgdr_api.v1beta1 import DgdrSpec, DynamoGraphDeploymentRequest
from dgdr_controller.deployment.render.planner_settings import beyond
from dgdr_controller.settings import RightsSettings

_WAY_OUT = (
    "is forbidden in this cluster: remove it, or ask an administrator to install config/policy and to set mode enforce "
    "or open in ConfigMap dgdr-rights"
)
_MODELS = re.compile(
    r"/(opt/model-cache|home/dynamo/\.cache/huggingface|models?|model[-_]cache|cache|mnt|srv)(/[\w-][\w.-]*)*/?",
    re.ASCII,
)
"""Where claims with models are mounted, by the documents and by custom: there are no programs that they could hide."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "HF_HUB_OFFLINE")


def forbidden(request: DynamoGraphDeploymentRequest, rights: RightsSettings) -> Iterator[FieldError]:
    """Yield what a request says that takes a right to say; nothing where a policy asks for it."""
    if rights.mode == "forbid":
        for path, does in (
            *_about_the_profiler(request),
            *_about_the_job(request.spec),
            *_about_the_deployment(request, rights),
        ):
            yield FieldError(path, "Forbidden", f"{does}: {_WAY_OUT}")


_Finding = tuple[str, str]
"""A path, and what is there."""


def _about_the_profiler(request: DynamoGraphDeploymentRequest) -> Iterator[_Finding]:
    if runs_its_image(request.metadata.annotations):
        yield f"metadata.annotations[{ANNOTATION_PROFILER}]", "has an image profile, and make the whole deployment"


def _about_the_job(spec: DgdrSpec) -> Iterator[_Finding]:
    for path in _widening((spec.overrides and spec.overrides.profiling_job) or {}, ""):
        yield f"{JOB}.{path}", "may run code in the profiling pod or widen its rights"
    cache = spec.model_cache
    for name, folder in (("pvcMountPath", cache.pvc_mount_path), ("mountPath", cache.mount_path)) if cache else ():
        if folder and not _MODELS.fullmatch(folder):
            yield f"spec.modelCache.{name}", f"mounts a claim at {folder}, where programs may be"


def _about_the_deployment(request: DynamoGraphDeploymentRequest, rights: RightsSettings) -> Iterator[_Finding]:
    spec, kept = request.spec, as_far_as_known(request.metadata.annotations)
    if spec.overrides and spec.overrides.dgd:
        yield "spec.overrides.dgd", "can change anything in the deployment"
    if spec.overrides and spec.overrides.trust_remote_code:
        yield "spec.overrides.trustRemoteCode", "has the deployment run code from the model repository"
    if kept.base:
        yield "spec.profilingConfig.configMapRef", "can change anything in the deployment"
    for name in beyond(spec):
        yield f"spec.features.planner.{name}", "lets the planner act outside the deployment"
    workers = kept.deployment_overrides.workers_image
    for path, image in (("spec.image", spec.image), ("spec.deploymentOverrides.workersImage", workers)):
        if image and not any(image.startswith(registry) for registry in rights.registries):
            yield path, f"{image} is not in {', '.join(rights.registries)}"


_Test = Callable[[Any], bool]


def _anything(_: Any) -> bool:
    return True


def _on(value: Any) -> bool:
    return value is True


def _off(value: Any) -> bool:
    return value is False


def _is(*names: str) -> _Test:
    return lambda value: value in names


def _no_root(user: Any) -> bool:
    return isinstance(user, int) and user > 0


def _default_profile(profile: Any) -> bool:
    return bool(profile.get("type") == "RuntimeDefault")


def _drops_all(capabilities: Any) -> bool:
    return not capabilities.get("add") and "ALL" in (capabilities.get("drop") or ())


def _proxies(variables: Any) -> bool:
    """Not PYTHONPATH or LD_PRELOAD, which run what lies on a claim; nor another variable, $(HF_TOKEN), in a proxy's."""
    return all(
        variable["name"] in _PROXIES and not variable.get("valueFrom") and "$(" not in (variable.get("value") or "")
        for variable in variables
    )


def _table(prefix: str, tests: Mapping[tuple[str, ...], _Test]) -> dict[str, _Test]:
    return {f"{prefix}{name}": test for names, test in tests.items() for name in names}


_POD = "template.spec."
_USERS: Mapping[tuple[str, ...], _Test] = {
    ("runAsGroup",): _anything,
    ("runAsNonRoot",): _on,
    ("runAsUser",): _no_root,
    ("appArmorProfile", "seccompProfile"): _default_profile,
}
_HARMLESS: Mapping[str, _Test] = {
    **_table(
        "",
        {
            (
                *("activeDeadlineSeconds", "backoffLimit", "backoffLimitPerIndex", "completionMode", "completions"),
                *("maxFailedIndexes", "parallelism", "podFailurePolicy", "podReplacementPolicy", "successPolicy"),
                *("suspend", "ttlSecondsAfterFinished"),
            ): _anything,
        },
    ),
    **_table(
        _POD,
        {
            (
                *("activeDeadlineSeconds", "affinity", "imagePullSecrets", "nodeSelector", "restartPolicy"),
                *("terminationGracePeriodSeconds", "tolerations", "topologySpreadConstraints"),
            ): _anything,
            (*("automountServiceAccountToken", "hostIPC", "hostNetwork", "hostPID", "shareProcessNamespace"),): _off,
        },
    ),
    **_table(
        f"{_POD}securityContext.",
        {("fsGroup", "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy"): _anything, **_USERS},
    ),
    **_table(f"{_POD}volumes[].", {("name", "emptyDir", "persistentVolumeClaim"): _anything}),
    f"{_POD}initContainers[].name": _is(PUBLISHER),
    **_table(
        f"{_POD}containers[].",
        {
            ("name",): _is(PROFILER, PUBLISHER),  # of init containers only the publisher
            ("resources",): lambda resources: not resources.get("claims"),
            ("env",): _proxies,
        },
    ),
    **_table(
        f"{_POD}containers[].securityContext.",
        {
            ("readOnlyRootFilesystem",): _anything,
            ("allowPrivilegeEscalation", "privileged"): _off,
            ("procMount",): _is("Default"),
            ("capabilities",): _drops_all,
            **_USERS,
        },
    ),
}
"""Parts of a Job by path, and which values of them are harmless; init containers are as containers."""
_WALKED = frozenset(
    (
        *("", "template", "template.metadata", "template.spec", f"{_POD}securityContext"),
        *(f"{_POD}{part}" for part in ("volumes", "volumes[]", "containers", "containers[]")),
        f"{_POD}containers[].securityContext",
    )
)
"""Objects and lists that are looked into; every other one is judged as a whole, or not harmless."""


def _widening(value: Any, path: str) -> Iterator[str]:
    """Yield the paths in a part of a Job of what is not harmless; a part that says nothing is."""
    known = path if path in _HARMLESS else path.replace("initContainers", "containers")
    if value is None:
        return
    if known in _HARMLESS:
        yield from () if _HARMLESS[known](value) else (path,)
    elif value in ([], {}):
        return
    elif known not in _WALKED:
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _widening(inner, f"{path}.{name}".lstrip("."))
    else:
        for inner in value:
            yield from _widening(inner, f"{path}[]")
