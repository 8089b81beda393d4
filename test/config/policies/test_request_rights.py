"""Whoever may only write requests cannot have pods of their own making, or Secrets, by way of a request."""

import json
from typing import Any

import pytest

from test.builders.rights_requests import DANGEROUS, PLAIN, job, locked

pytestmark = pytest.mark.cluster

People = Any  # test modules do not import each other
Kubectl = Any


@pytest.mark.parametrize("what", PLAIN)
def test_plain_editor_may_ask_for(people: People, what: str) -> None:
    people.editor.writes(PLAIN[what])


@pytest.mark.parametrize("what", DANGEROUS)
def test_dangerous_part_takes_the_right_to_create_jobs(people: People, refusal: Any, what: str) -> None:
    spec = DANGEROUS[what]
    refused = refusal(lambda: people.editor.writes(spec))
    assert refused.code == 403
    assert what.partition(" ")[0] in refused.message
    needs = f"needs the right to create jobs.batch in namespace {people.editor.namespace}, which editor does not have"
    assert needs in refused.message
    assert refusal(lambda: people.deployer.writes(spec)).code == 403
    people.runner.writes(spec)


def test_refusal_names_all_of_it_and_says_what_to_do(people: People, refusal: Any) -> None:
    spec = job(
        hostNetwork=True,
        volumes=[{"name": "root", "hostPath": {"path": "/"}}],
        containers=[{"name": "profiler", "image": "evil", "command": ["sh"]}, {"name": "more", "image": "evil"}],
    )
    message = refusal(lambda: people.editor.writes(spec)).message
    named, _, needed = message.partition("; this needs ")
    intro, _, paths = named.partition(" widen its rights by ")
    assert intro.endswith("denied request: spec.overrides.profilingJob may run code in the profiling pod or")
    of_pod, _, of_containers = paths.partition(" (of the containers profiler and output-copier: ")
    expected = "template.spec.hostNetwork, template.spec.volumes[root], template.spec.containers[more]"
    assert of_pod == expected
    assert of_containers in ("command, image)", "image, command)")
    assert needed == (
        f"the right to create jobs.batch in namespace {people.editor.namespace}, which editor does not have. Leave it "
        "out, or have somebody with that right apply the request"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/opt/dgdr/lib",
        "/usr/lib/python3",
        "/home/dynamo",
        "/home/dynamo/.local",
        "/",
        "/mnt/../usr",
        "/models:/usr",
        "mnt",
    ],
)
@pytest.mark.parametrize("field", ["pvcMountPath", "mountPath"])
def test_claim_over_programs_takes_the_right_to_create_jobs(
    people: People, refusal: Any, field: str, path: str
) -> None:
    spec = {"modelCache": {"pvcName": "code", field: path}}
    message = refusal(lambda: people.editor.writes(spec)).message
    assert f"mounts a claim at {path}, where programs may be" in message
    assert "to create jobs.batch" in message
    people.runner.writes(spec)


PROFILER = {"dgdr.nvidia.com/profiler": "image"}
NVIDIAS = {"image": "nvcr.io/nvidia/ai-dynamo/dynamo-planner:1.6.1"}


def test_profiler_image_of_others_takes_the_right_to_create_jobs_and_deployments(people: People, refusal: Any) -> None:
    assert "to create jobs.batch" in refusal(lambda: people.editor.writes(NVIDIAS, PROFILER)).message
    assert refusal(lambda: people.deployer.writes(NVIDIAS, PROFILER)).code == 403
    lacking = refusal(lambda: people.runner.writes(NVIDIAS, PROFILER)).message
    assert "to create dynamographdeployments.nvidia.com" in lacking
    people.admin.writes(NVIDIAS, PROFILER)


GRAPH: dict[str, Any] = {"overrides": {"dgd": {"spec": {"components": []}}}}
PRESERVED = "nvidia.com/dgdr-spec"
BASES = {
    "a base": {PRESERVED: json.dumps({"profilingConfig": {"configMapRef": {"name": "base"}}})},
    "a workers' image": {PRESERVED: '{"deploymentOverrides":{"workersImage":"evil/x:1"}}'},
    "a second workers' image": {
        PRESERVED: '{"deploymentOverrides":{"workersImage":"nvcr.io/nvidia/x:1","workersImage" : "evil/x:1"}}'
    },
    "a workers' image in an image": {PRESERVED: r'{"a":"\"workersImage\":\"nvcr.io/nvidia/","workersImage": "evil"}'},
    "a name in disguise": {PRESERVED: r'{"profilingConfig": {"config\u004dapRef": {"name": "base"}}}'},
    "upstream's retired annotation": {"nvidia.com/dgdr-config-map-ref": '{"name": "base"}'},
}
FREELY: dict[str, Any] = {
    "overrides.dgd": (GRAPH, {}),
    "code of the model's repository": ({"overrides": {"trustRemoteCode": True}}, {}),
    "a foreign image": ({"image": "docker.io/evil/dynamo-planner:1.6.1"}, {}),
    "an image that looks like Dynamo's": ({"image": "nvcr.io/nvidia-evil/dynamo-planner:1.6.1"}, {}),
    "an image without a registry": ({"image": "dynamo-planner:1.6.1"}, {}),
    "a planner that takes its token elsewhere": (
        {"features": {"planner": {"metric_pulling_prometheus_endpoint": "https://evil.example"}}},
        {},
    ),
    "a planner's setting by an older name": ({"features": {"planner": {"plannerPrometheusEndpoint": "https://a"}}}, {}),
    "a planner with a port": ({"features": {"planner": {"controlApiPort": 80, "ttft": 5}}}, {}),
    "a planner for other deployments": ({"features": {"planner": {"environment": "global-planner"}}}, {}),
} | {name: ({}, annotations) for name, annotations in BASES.items()}


@pytest.mark.parametrize("what", FREELY)
def test_deployment_override_takes_the_right_to_create_deployments(people: People, refusal: Any, what: str) -> None:
    spec, annotations = FREELY[what]
    refused = refusal(lambda: people.editor.writes(spec, annotations))
    assert refused.code == 403
    assert "needs the right to create dynamographdeployments.nvidia.com in namespace" in refused.message
    assert refusal(lambda: people.runner.writes(spec, annotations)).code == 403
    people.deployer.writes(spec, annotations)


@pytest.mark.parametrize(
    "annotations",
    [
        {"dgdr.nvidia.com/deploy": "recommended"},
        {"dgdr.nvidia.com/retry": "1"},
        {"dgdr.nvidia.com/defaults": "v1alpha1"},
        {PRESERVED: json.dumps({"profilingConfig": {"outputPVC": "claim"}, "deploymentOverrides": {"name": "näme"}})},
        {PRESERVED: '{"deploymentOverrides":{"workersImage":"nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1"}}'},
        {"nvidia.com/dgdr-status": "{}"},
        {"dgdr.nvidia.com/profiler": ""},
    ],
)
def test_other_annotations_take_no_more_rights(people: People, annotations: dict[str, str]) -> None:
    people.editor.writes({}, annotations)


ALPHA = {"backend": "vllm", "profilingConfig": {"profilerImage": NVIDIAS["image"], "config": {}}}


@pytest.mark.parametrize("annotations", [PROFILER, BASES["a base"]])
def test_request_of_v1alpha1_is_looked_at_too(people: People, refusal: Any, annotations: dict[str, str]) -> None:
    people.editor.writes(ALPHA, version="v1alpha1")
    assert refusal(lambda: people.editor.writes(ALPHA, annotations, version="v1alpha1")).code == 403


@pytest.mark.parametrize(
    "spec",
    [
        job(hostNetwork=True),
        job(hostNetwork="false"),
        job(securityContext={"runAsUser": "0"}),
        job(securityContext={"seccompProfile": "RuntimeDefault"}),
        job(containers=[{"image": "evil"}]),
        job(containers={"evil": {"image": "evil"}}),
        job(containers="evil"),
        job(volumes=[["hostPath"]]),
        locked(capabilities={"drop": "ALL"}),
        {"overrides": {"profilingJob": "evil"}},
    ],
    ids=json.dumps,
)
def test_malformed_job_of_v1alpha1_is_refused(people: People, refusal: Any, spec: dict[str, Any]) -> None:
    """The schema of v1alpha1 takes any overrides.profilingJob."""
    people.editor.writes(ALPHA | job(nodeSelector={"a": "b"}), version="v1alpha1")
    assert refusal(lambda: people.editor.writes(ALPHA | spec, version="v1alpha1")).code in {403, 422}


def test_rights_in_another_namespace_do_not_count(people: People, place: Any, settled: Any, refusal: Any) -> None:
    elsewhere = settled(place(), "runner")
    people.runner.writes(job(hostNetwork=True))
    assert refusal(lambda: elsewhere.writes(job(hostNetwork=True))).code == 403


def test_long_override_is_not_too_much_to_look_at(people: People, refusal: Any) -> None:
    """An expression that costs too much fails, and refuses whoever it is."""
    long = job(
        tolerations=[{"key": f"k{n}", "operator": "Exists"} for n in range(2000)],
        volumes=[{"name": f"v{n}", "emptyDir": {}} for n in range(2000)],
        containers=[
            {"name": "profiler", "env": [{"name": f"E{n}", "value": "x" * 100} for n in range(5000)]},
            *({"name": f"c{n}", "image": "i"} for n in range(500)),
        ],
    )
    people.runner.writes(long)
    refused = refusal(lambda: people.editor.writes(long))
    assert refused.code == 403
    assert "spec.overrides.profilingJob" in refused.message


def test_policy_is_understood_by_the_api_server(kubectl: Kubectl, soon: Any) -> None:
    """A warning says that an expression does not fit the types of what it is about."""
    names = ("dgdr-request-rights", "dgdr-coexist")

    def statuses() -> list[Any]:
        found = json.loads(kubectl("get", "validatingadmissionpolicies", *names, "-o", "json"))["items"]
        return [policy.get("status", {}) | {"generation": policy["metadata"]["generation"]} for policy in found]

    soon(lambda: all(status.get("observedGeneration") == status["generation"] for status in statuses()))
    assert [status["typeChecking"] for status in statuses()] == [{}, {}]
