"""config/coexist: Dynamo's operator goes on with deployments, and has no part in requests.

What it does is known from its source (deploy/operator): it adds a finalizer to every request, creates Jobs and
ConfigMaps for them, and writes its CA into the CRDs of its kinds when it starts, or else ends.
"""

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from hack.cluster.api import MERGE_PATCH

pytestmark = pytest.mark.cluster

Person = Any  # test modules do not import each other
OPERATOR = "system:serviceaccount:dynamo-system:dynamo-platform-dynamo-operator-controller-manager"
HOOK = "system:serviceaccount:dynamo-system:dynamo-platform-dynamo-operator-dynamo-system-crd-apply-sa"
THEIRS = "dgdr-controller's in this cluster (config/coexist)"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OURS = f"{CRDS}/dynamographdeploymentrequests.nvidia.com"


@pytest.fixture(scope="module")
def operator(place: Callable[..., Person], soon: Any, refuses: Any) -> Person:
    """Have Dynamo's operator, with all rights that there are: what it is refused, the policy refuses."""
    admin = place()
    subjects = [
        {"kind": "ServiceAccount", "name": name.split(":")[3], "namespace": name.split(":")[2]}
        for name in (OPERATOR, HOOK)
    ]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "dynamos-operator"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": subjects,
    }
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/dynamos-operator?fieldManager=test&force=true"
    admin.send("PATCH", path, binding, "application/apply-patch+yaml")
    found = replace(admin, user=OPERATOR)
    soon(lambda: refuses(lambda: found.writes(name=f"try-{uuid.uuid4().hex[:8]}"), THEIRS))
    return found


@pytest.fixture
def made(operator: Person) -> str:
    name = f"made-{uuid.uuid4().hex[:8]}"
    replace(operator, user="").writes(name=name)
    return name


def test_requests_are_refused_it_whatever_it_does_with_them(operator: Person, made: str, refusal: Any) -> None:
    path = operator.path(made)
    stored = operator.send("GET", path)
    finalizer = {"metadata": {"finalizers": ["nvidia.com/finalizer"]}}
    writes = [
        lambda: operator.writes(name="new"),
        lambda: operator.send("PUT", path, stored | {"metadata": stored["metadata"] | finalizer["metadata"]}),
        lambda: operator.changes(made, finalizer),
        lambda: operator.changes(made, {"status": {"phase": "Failed"}}, "/status"),
        lambda: operator.send("PUT", f"{path}/status", stored | {"status": {"phase": "Failed"}}),
        lambda: operator.send("DELETE", path),
        lambda: operator.send("DELETE", operator.path()),
        lambda: operator.changes(made, finalizer | {"apiVersion": "nvidia.com/v1beta1"}),
    ]
    for write in writes:
        refused = refusal(write)
        assert refused.code == 403
        assert THEIRS in refused.message
    assert operator.send("GET", path)["metadata"].get("finalizers") is None


def test_requests_of_the_older_version_are_refused_it(operator: Person, refusal: Any) -> None:
    spec = {"backend": "vllm", "profilingConfig": {"profilerImage": "nvcr.io/nvidia/x:1"}}
    assert THEIRS in refusal(lambda: operator.writes(spec, version="v1alpha1", name="new")).message


def batch(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{namespace}/jobs"


def core(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def job(**metadata: str) -> Any:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    return {"metadata": metadata, "spec": {"suspend": True, "template": {"spec": pod}}}


def config_map(**metadata: str) -> Any:
    return {"metadata": metadata, "data": {"a": "b"}}


@pytest.mark.parametrize(
    ("path", "make", "prefix"),
    [(batch, job, "profile-"), (core, config_map, "dgdr-output-")],
    ids=["jobs", "ConfigMaps"],
)
def test_objects_of_requests_are_refused_it(
    operator: Person, refusal: Any, path: Callable[[str], str], make: Callable[..., Any], prefix: str
) -> None:
    where = path(operator.namespace)
    name = f"{prefix}{uuid.uuid4().hex[:8]}"
    replace(operator, user="").send("POST", where, make(name=name))
    change = {"metadata": {"labels": {"a": "b"}}}
    applied = {"apiVersion": "batch/v1" if make is job else "v1", "kind": "Job" if make is job else "ConfigMap"}
    new = f"{prefix}new"
    for write in (
        lambda: operator.send("POST", where, make(name=new)),
        lambda: operator.send("POST", where, make(generateName=prefix)),
        lambda: operator.send(
            "PATCH", f"{where}/{new}?fieldManager=o", applied | make(name=new), "application/apply-patch+yaml"
        ),
        lambda: operator.send("PATCH", f"{where}/{name}", change, MERGE_PATCH),
        lambda: operator.send("DELETE", f"{where}/{name}"),
        lambda: operator.send("DELETE", where),
    ):
        refused = refusal(write)
        assert refused.code == 403
        assert THEIRS in refused.message
    if make is job:
        status = {"status": {"startTime": "2026-01-01T00:00:00Z"}}
        assert THEIRS in refusal(lambda: operator.send("PATCH", f"{where}/{name}/status", status, MERGE_PATCH)).message


@pytest.mark.parametrize(("path", "make"), [(batch, job), (core, config_map)], ids=["jobs", "ConfigMaps"])
def test_operators_own_work_goes_on(operator: Person, path: Callable[[str], str], make: Callable[..., Any]) -> None:
    where = path(operator.namespace)
    for name in ("checkpoint-a", "my-profile-a", "a-dgdr-output-b"):
        operator.send("POST", where, make(name=name))
        operator.send("PATCH", f"{where}/{name}", {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH)
        operator.send("DELETE", f"{where}/{name}")
    operator.send("POST", where, make(generateName="planner-"))


def test_operators_other_objects_and_definitions_are_its_own(operator: Person) -> None:
    definition = crd("dynamographdeployments", "DynamoGraphDeployment")
    operator.send("POST", CRDS, definition)
    name = definition["metadata"]["name"]
    operator.send("PATCH", f"{CRDS}/{name}", {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH)
    operator.send("DELETE", f"{CRDS}/{name}")
    pod = {"metadata": {"name": "profile-x"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    operator.send("POST", f"/api/v1/namespaces/{operator.namespace}/pods?dryRun=All", pod)
    service = {"metadata": {"name": "dgdr-output-x"}, "spec": {"ports": [{"port": 1}]}}
    operator.send("POST", f"/api/v1/namespaces/{operator.namespace}/services", service)


def crd(plural: str, kind: str) -> Any:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    group = f"g{uuid.uuid4().hex[:6]}.example"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def test_users_other_than_the_operator_are_not_looked_at(operator: Person, refusal: Any) -> None:
    """Somebody of nearly that name; their rights end elsewhere."""
    for user in ("system:serviceaccount:dynamo-system:other", f"{OPERATOR}-2", "system:serviceaccount:dynamo-system"):
        somebody = replace(operator, user=user)
        assert "cannot create resource" in refusal(somebody.writes).message
    admin = replace(operator, user="")
    admin.send("POST", batch(admin.namespace), job(name="profile-theirs"))
    admin.send("POST", core(admin.namespace), config_map(name="dgdr-output-theirs"))


@pytest.mark.parametrize("user", [OPERATOR, HOOK])
class TestTheDefinitionOfRequests:
    """It may be written without effect: the operator would end if it were refused, and take deployments with it."""

    @pytest.fixture
    def there(self, operator: Person, user: str, soon: Any) -> Person:
        person = replace(operator, user=user)
        change = {"spec": {"names": {"shortNames": ["theirs"]}}}

        def without_effect() -> bool:
            return (
                "theirs"
                not in person.send("PATCH", f"{OURS}?dryRun=All", change, MERGE_PATCH)["spec"]["names"]["shortNames"]
            )

        soon(without_effect)
        return person

    def test_write_of_its_changes_nothing(self, there: Person) -> None:
        before = there.send("GET", OURS)
        wrong = {"strategy": "Webhook", "webhook": webhook(there.namespace)}
        for change in ({"spec": {"conversion": wrong}}, {"spec": {"names": {"shortNames": ["theirs"]}}}):
            there.send("PATCH", OURS, change, MERGE_PATCH)
        other = copy.deepcopy(before)
        for number, version in enumerate(other["spec"]["versions"]):
            version["schema"] = {"openAPIV3Schema": {"type": "object", "description": f"theirs {number}"}}
        del other["metadata"]["managedFields"], other["metadata"]["resourceVersion"], other["status"]
        there.send("PATCH", f"{OURS}?fieldManager=helm&force=true", other, "application/apply-patch+yaml")
        other["metadata"]["resourceVersion"] = there.send("GET", OURS)["metadata"]["resourceVersion"]
        there.send("PUT", OURS, other)
        assert there.send("GET", OURS)["spec"] == before["spec"]

    def test_it_cannot_be_deleted(self, there: Person, refusal: Any) -> None:
        assert "upgradeCRD=false" in refusal(lambda: there.send("DELETE", OURS)).message


def webhook(namespace: str, bundle: str = "") -> Any:
    service = {"name": "dynamo-operator-webhook-service", "namespace": namespace, "path": "/convert"}
    client = {"service": service} | ({"caBundle": bundle} if bundle else {})
    return {"conversionReviewVersions": ["v1"], "clientConfig": client}


@pytest.fixture
def without_keep_crd(operator: Person, kubectl: Any) -> Iterator[Any]:
    """Let the operator's writes through to the policy that older clusters have alone, for a CRD of another name."""
    manifests = kubectl.built("config/coexist")
    definition = crd("dynamographdeploymentrequests", "DynamoGraphDeploymentRequest")
    definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook(operator.namespace)}
    name = definition["metadata"]["name"]
    text = (
        json.dumps(manifests)
        .replace("dgdr-coexist", "test-coexist")
        .replace("dynamographdeploymentrequests.nvidia.com", name)
    )
    manifests = json.loads(text)
    replace(operator, user="").send("POST", CRDS, definition)
    for manifest in manifests:
        kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    yield replace(operator, user=""), name
    for manifest in manifests:
        kubectl("delete", manifest["kind"], manifest["metadata"]["name"])
    kubectl("delete", "crd", name)


def test_older_clusters_admit_its_ca_alone(
    operator: Person, without_keep_crd: Any, refusal: Any, soon: Any, refuses: Any
) -> None:
    admin, name = without_keep_crd
    path = f"{CRDS}/{name}"
    soon(lambda: refuses(lambda: operator.send("DELETE", f"{path}?dryRun=All"), "upgradeCRD=false"))
    authority = yaml.safe_load(operator.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    bundle = {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": authority}}}}}
    operator.send("PATCH", path, bundle, MERGE_PATCH)
    assert admin.send("GET", path)["spec"]["conversion"]["webhook"]["clientConfig"]["caBundle"] == authority
    for change in (
        {"conversion": {"webhook": {"clientConfig": {"service": {"name": "other"}}}}},
        {"conversion": {"webhook": {"clientConfig": {"service": None, "url": "https://example.com"}}}},
        {"conversion": {"webhook": {"conversionReviewVersions": ["v1", "v2"]}}},
        {"conversion": {"strategy": "None", "webhook": None}},
        {"names": {"shortNames": ["theirs"]}},
        {
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ]
        },
    ):
        refused = refusal(lambda change=change: operator.send("PATCH", path, {"spec": change}, MERGE_PATCH))
        assert "dynamo-operator.upgradeCRD=false" in refused.message
