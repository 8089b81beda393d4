"""``spec.overrides.profilingJob`` as Dynamo's own controller merges it: one row per test of its.

The names are those of ai-dynamo/dynamo, deploy/operator/internal/controller/profiling_job_overrides_test.go, without
``TestApplyProfilingJobOverrides_``. Its containers there have no name; here they are called ``profiler``, as the schema
of a JobSpec requires.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from dgdr_api.job_spec import PATH, validate
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import builder
from dgdr_controller.profiling_job.overrides import merged
from dgdr_controller.settings import Settings
from test.builders.observed_state import observed_of, request_of, run_of

PROFILER = "template.spec.containers[profiler]"
PUBLISHER = "template.spec.initContainers[output-copier]"
SETTINGS = Settings.model_validate({"profiling": {"pull_secrets": ("nvcr-imagepullsecret",)}})


def at(spec: Any, path: str) -> Any:
    """Return what is at a path, of a list the entry of a name; None where there is nothing."""
    for name in re.findall(r"[^.\[\]]+|\[[^\]]+\]", path):
        if spec is None:
            return None
        if name.startswith("["):
            spec = next((entry for entry in spec if entry["name"] == name[1:-1]), None)
        else:
            spec = spec.get(name)
    return spec


OURS: Manifest = builder.job(run_of(observed_of(request_of("qwen"), settings=SETTINGS)))["spec"]


@dataclass(frozen=True)
class Row:
    """What an override does.

    Attributes:
        override: The part of a JobSpec.
        has: What the merged Job has, by path; the rest of it is as without the override.
        refused: Paths of the override that are refused when the request is written. Requests of which it was stored
            before fail when they are validated, before a Job is made.
        differs: Why this is not what Dynamo does; empty where it is.
    """

    override: Manifest | None
    has: Mapping[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    differs: str = ""


def pod(**spec: Any) -> Manifest:
    return {"template": {"spec": spec}}


def profiler(**fields: Any) -> Manifest:
    return pod(containers=[{"name": "profiler", **fields}])


def names(spec: Manifest, path: str) -> list[str]:
    return [entry["name"] for entry in at(spec, path) or []]


AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["H100"]}]}]
        }
    }
}
TOLERATIONS = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
SPREAD = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}]
CLAIM = {"name": "profiling-output", "persistentVolumeClaim": {"claimName": "user-pvc"}}
EXTRA = {"name": "extra-config", "emptyDir": {}}
SCRATCH = {"name": "scratch", "emptyDir": {}}
DOWNLOADER = {"name": "model-downloader", "image": "downloader:v1"}
TOKEN = {"name": "HF_TOKEN", "value": "secret"}
OUTPUT_DIR = {"name": "OUTPUT_DIR", "value": "/custom-output"}
HF_CACHE = {"name": "hf-cache", "mountPath": "/root/.cache/huggingface"}
MOUNTS = f"{PROFILER}.volumeMounts"
LIMITS = {"limits": {"cpu": "4", "memory": "16Gi"}}
ONE_POD = "the profiling Job is one pod that writes one result"

ROWS = {
    "NilOverrides": Row(None),
    "BackoffLimit": Row({"backoffLimit": 10}, {"backoffLimit": 10}),
    "ActiveDeadlineSeconds": Row({"activeDeadlineSeconds": 3600}, {"activeDeadlineSeconds": 3600}),
    "TTLSecondsAfterFinished": Row({"ttlSecondsAfterFinished": 600}, {"ttlSecondsAfterFinished": 600}),
    "Completions": Row({"completions": 5}, {"completions": 5}, refused=("completions",), differs=ONE_POD),
    "Parallelism": Row({"parallelism": 2}, {"parallelism": 2}, refused=("parallelism",), differs=ONE_POD),
    "Suspend": Row(
        {"suspend": True},
        {"suspend": True},
        refused=("suspend",),
        differs="a suspended Job has no pod, and the request would wait for ever",
    ),
    "LabelsProtected": Row(
        {
            "template": {
                "metadata": {"labels": {"app": "attacker", "dgdr": "attacker", "team": "ml-platform", "env": "staging"}}
            }
        },
        {
            "template.metadata.labels": OURS["template"]["metadata"]["labels"]
            | {"team": "ml-platform", "env": "staging"}
        },
        refused=("template.metadata.labels[app]", "template.metadata.labels[dgdr]"),
        differs="what has no effect is refused, not dropped without a word",
    ),
    "Annotations": Row(
        {"template": {"metadata": {"annotations": {"prometheus.io/scrape": "true", "custom/note": "profiling-test"}}}},
        {"template.metadata.annotations": {"prometheus.io/scrape": "true", "custom/note": "profiling-test"}},
    ),
    "Tolerations": Row(pod(tolerations=TOLERATIONS), {"template.spec.tolerations": TOLERATIONS}),
    "NodeSelector": Row(pod(nodeSelector={"gpu-type": "H100"}), {"template.spec.nodeSelector": {"gpu-type": "H100"}}),
    "Affinity": Row(pod(affinity=AFFINITY), {"template.spec.affinity": AFFINITY}),
    "PriorityClassName": Row(
        pod(priorityClassName="high-priority"), {"template.spec.priorityClassName": "high-priority"}
    ),
    "ServiceAccountName": Row(pod(serviceAccountName="custom-sa"), {"template.spec.serviceAccountName": "custom-sa"}),
    "ImagePullSecrets_Merge": Row(
        pod(imagePullSecrets=[{"name": "nvcr-imagepullsecret"}, {"name": "my-registry-secret"}]),
        {"template.spec.imagePullSecrets": [{"name": "nvcr-imagepullsecret"}, {"name": "my-registry-secret"}]},
    ),
    "ImagePullSecrets_NoDuplicates": Row(
        pod(imagePullSecrets=[{"name": "nvcr-imagepullsecret"}]),
        {"template.spec.imagePullSecrets": [{"name": "nvcr-imagepullsecret"}]},
    ),
    "RuntimeClassName": Row(pod(runtimeClassName="nvidia"), {"template.spec.runtimeClassName": "nvidia"}),
    "DNSConfigAndPolicy": Row(
        pod(dnsPolicy="None", dnsConfig={"nameservers": ["8.8.8.8"]}),
        {"template.spec.dnsPolicy": "None", "template.spec.dnsConfig": {"nameservers": ["8.8.8.8"]}},
    ),
    "TerminationGracePeriodSeconds": Row(
        pod(terminationGracePeriodSeconds=120), {"template.spec.terminationGracePeriodSeconds": 120}
    ),
    "TopologySpreadConstraints": Row(
        pod(topologySpreadConstraints=SPREAD), {"template.spec.topologySpreadConstraints": SPREAD}
    ),
    "AutomountServiceAccountToken": Row(
        pod(automountServiceAccountToken=False), {"template.spec.automountServiceAccountToken": False}
    ),
    "VolumesDedup": Row(
        pod(volumes=[CLAIM, EXTRA]),
        {
            "template.spec.volumes": [
                *(
                    CLAIM if volume["name"] == "profiling-output" else volume
                    for volume in at(OURS, "template.spec.volumes")
                ),
                EXTRA,
            ]
        },
    ),
    "InitContainers": Row(
        pod(initContainers=[DOWNLOADER]), {"template.spec.initContainers": [at(OURS, PUBLISHER), DOWNLOADER]}
    ),
    "ContainerResources": Row(profiler(resources=LIMITS), {f"{PROFILER}.resources": LIMITS}),
    # What every Go client writes where nothing was meant.
    "ContainerResources, empty": Row(profiler(image="v2", resources={}), {f"{PROFILER}.image": "v2"}),
    "ContainerResources, of empty parts": Row(
        pod(containers=[{"name": "output-copier", "image": "v2", "resources": {"limits": {}, "requests": None}}]),
        {f"{PUBLISHER}.image": "v2"},
    ),
    "ContainerResourceClaims": Row(
        profiler(resources={"claims": [{"name": "gpu"}]}), {f"{PROFILER}.resources": {"claims": [{"name": "gpu"}]}}
    ),
    "ContainerImage": Row(profiler(image="custom-profiler:v2"), {f"{PROFILER}.image": "custom-profiler:v2"}),
    "ContainerEnvDedup": Row(
        profiler(env=[TOKEN, OUTPUT_DIR]),
        {
            f"{PROFILER}.env": [
                *(TOKEN if variable["name"] == "HF_TOKEN" else variable for variable in at(OURS, f"{PROFILER}.env")),
                OUTPUT_DIR,
            ]
        },
    ),
    "ContainerVolumeMountsDedup": Row(
        profiler(volumeMounts=[{"name": "profiling-output", "mountPath": "/custom-output"}, HF_CACHE]),
        {MOUNTS: [*at(OURS, MOUNTS), HF_CACHE]},
        refused=("template.spec.containers[0].volumeMounts[0].name",),
        differs="the profiler, whose arguments stay, writes there; a mount of another name is added",
    ),
    "ContainerEnvFrom": Row(
        profiler(envFrom=[{"configMapRef": {"name": "profiler-env"}}]),
        {f"{PROFILER}.envFrom": [{"configMapRef": {"name": "profiler-env"}}]},
    ),
    "ContainerSecurityContext": Row(
        profiler(securityContext={"privileged": False, "runAsUser": 2000}),
        {
            f"{PROFILER}.securityContext": at(OURS, f"{PROFILER}.securityContext")
            | {"privileged": False, "runAsUser": 2000}
        },
        differs="field by field, as the pod's: one field must not take the other restrictions away",
    ),
    "PodSecurityContext": Row(
        pod(securityContext={"runAsNonRoot": False}),
        {"template.spec.securityContext": at(OURS, "template.spec.securityContext") | {"runAsNonRoot": False}},
    ),
    "CommandAndArgsPreserved": Row(
        profiler(image="custom:v1", env=[{"name": "FOO", "value": "bar"}]),
        {
            f"{PROFILER}.image": "custom:v1",
            f"{PROFILER}.env": [*at(OURS, f"{PROFILER}.env"), {"name": "FOO", "value": "bar"}],
        },
    ),
    "SidecarUntouched": Row(profiler(image="custom:v1"), {f"{PROFILER}.image": "custom:v1"}),
    "Combined": Row(
        {
            "backoffLimit": 5,
            "activeDeadlineSeconds": 7200,
            "ttlSecondsAfterFinished": 300,
            "template": {
                "metadata": {"labels": {"team": "infra"}, "annotations": {"note": "combined-test"}},
                "spec": {
                    "tolerations": [{"key": "gpu", "operator": "Exists"}],
                    "nodeSelector": {"zone": "us-west"},
                    "priorityClassName": "batch",
                    "serviceAccountName": "custom-sa",
                    "volumes": [SCRATCH],
                    "containers": [
                        {
                            "name": "profiler",
                            "image": "profiler:v2",
                            "resources": {"limits": {"cpu": "8"}},
                            "env": [TOKEN, {"name": "CUDA_VISIBLE_DEVICES", "value": "0,1"}],
                            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                        }
                    ],
                },
            },
        },
        {
            "backoffLimit": 5,
            "activeDeadlineSeconds": 7200,
            "ttlSecondsAfterFinished": 300,
            "template.metadata.labels": OURS["template"]["metadata"]["labels"] | {"team": "infra"},
            "template.metadata.annotations": {"note": "combined-test"},
            "template.spec.tolerations": [{"key": "gpu", "operator": "Exists"}],
            "template.spec.nodeSelector": {"zone": "us-west"},
            "template.spec.priorityClassName": "batch",
            "template.spec.serviceAccountName": "custom-sa",
            "template.spec.volumes": [*at(OURS, "template.spec.volumes"), SCRATCH],
            f"{PROFILER}.image": "profiler:v2",
            f"{PROFILER}.resources": {"limits": {"cpu": "8"}},
            f"{PROFILER}.env": [
                *(TOKEN if variable["name"] == "HF_TOKEN" else variable for variable in at(OURS, f"{PROFILER}.env")),
                {"name": "CUDA_VISIBLE_DEVICES", "value": "0,1"},
            ],
            MOUNTS: [*at(OURS, MOUNTS), {"name": "scratch", "mountPath": "/scratch"}],
        },
    ),
    "MergeNamedSlice_EmptyOverrides": Row(profiler(env=[])),
    "MergeNamedSlice_EmptyBase": Row(
        pod(initContainers=[DOWNLOADER | {"env": [{"name": "A", "value": "1"}]}]),
        {
            "template.spec.initContainers": [
                at(OURS, PUBLISHER),
                DOWNLOADER | {"env": [{"name": "A", "value": "1"}]},
            ]
        },
    ),
}


def put(spec: Manifest, path: str, value: Any) -> None:
    """Put something at a path."""
    parent, _, name = path.rpartition(".")
    (at(spec, parent) if parent else spec)[name] = value


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_override_does_to_the_job_what_dynamo_does(row: Row) -> None:
    expected = copy.deepcopy(OURS)
    for path, value in row.has.items():
        put(expected, path, value)
    assert merged(OURS, row.override) == expected


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_override_is_refused_only_where_ours_differs(row: Row) -> None:
    assert [error.path for error in validate(row.override)] == [f"{PATH}.{path}" for path in row.refused]
    assert row.differs or not row.refused


def test_list_by_name_keeps_its_order() -> None:
    """Dynamo's ``TestMergeNamedSlice_PreservesOrder``."""
    own = names(OURS, f"{PROFILER}.env")
    first, last = own[0], own[-1]
    override = [{"name": last, "value": "override"}, {"name": "C", "value": "3"}, {"name": first, "value": "1"}]
    spec = merged(OURS, profiler(env=override))
    assert names(spec, f"{PROFILER}.env") == [*own, "C"]
    assert at(spec, f"{PROFILER}.env[{last}]") == {"name": last, "value": "override"}
