"""config/default with webhooks on a real API server: what the controller has written there stays."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.api import MERGE_PATCH
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from test.builders.person import Person

pytestmark = [pytest.mark.cluster, pytest.mark.alone("webhook-config")]  # one cluster, used in turn

Kubectl = Any  # test modules do not import each other
CONFIG = Path(__file__).parents[3] / "config"
DEFAULT = str(CONFIG / "default")
CONTROLLER = "system:serviceaccount:dgdr-system:dgdr-controller"
SECRET = "dgdr-webhook-server-cert"  # noqa: S105 - a name
CONFIGURATIONS = {
    "mutatingwebhookconfiguration": "dgdr-mutating-webhook-configuration",
    "validatingwebhookconfiguration": "dgdr-validating-webhook-configuration",
}
CLUSTER = Local(layout("test-webhook-config"))
DEFINITION = ("crd", "dynamographdeploymentrequests.nvidia.com")


@pytest.fixture(scope="module")
def own_kubectl(kubectl_for: Any) -> Iterator[Kubectl]:
    """Installed on a cluster of its own: nobody answers the webhooks."""
    with brought_up(CLUSTER, Level.CONTROL_PLANE):
        run = kubectl_for(CLUSTER)
        run("apply", "-k", DEFAULT)
        run("wait", "--for=condition=Established", *DEFINITION, "--timeout=30s")
        yield run


@pytest.fixture
def bundle(own_kubectl: Kubectl) -> str:
    """Return a CA, written by the controller's account wherever it writes one; it may not do more."""
    authority = yaml.safe_load(own_kubectl("config", "view", "--raw"))["clusters"][0]["cluster"]
    text = str(authority["certificate-authority-data"])
    controller = Person(CLUSTER.kubeconfig, user=CONTROLLER)
    data = dict.fromkeys(("ca.crt", "ca.key", "tls.crt", "tls.key"), text)
    controller.send("PATCH", f"/api/v1/namespaces/dgdr-system/secrets/{SECRET}", {"data": data}, MERGE_PATCH)
    for kind, name in CONFIGURATIONS.items():
        webhooks = read(own_kubectl, kind, name)["webhooks"]
        for webhook in webhooks:
            webhook["clientConfig"]["caBundle"] = text
        path = f"/apis/admissionregistration.k8s.io/v1/{kind}s/{name}"
        controller.send("PATCH", path, {"webhooks": webhooks}, MERGE_PATCH)
    change = {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": text}}}}}
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{DEFINITION[1]}"
    controller.send("PATCH", path, change, MERGE_PATCH)
    return text


def read(run: Kubectl, *what: str) -> Any:
    return json.loads(run("get", *what, "-o", "json"))


def written(run: Kubectl) -> list[str]:
    found = [run("-n", "dgdr-system", "get", "secret", SECRET, "-o", r"jsonpath={.data.tls\.key}")]
    for kind, name in CONFIGURATIONS.items():
        found += [webhook["clientConfig"].get("caBundle", "") for webhook in read(run, kind, name)["webhooks"]]
    client = read(run, *DEFINITION)["spec"]["conversion"]["webhook"]["clientConfig"]
    return [*found, client.get("caBundle", "")]


def test_plain_apply_leaves_it(own_kubectl: Kubectl, bundle: str) -> None:
    assert written(own_kubectl) == [bundle] * 4
    said = own_kubectl("apply", "-k", DEFAULT)
    assert f"secret/{SECRET} unchanged" in said
    assert written(own_kubectl) == [bundle] * 4


def test_changed_manifest_leaves_it(own_kubectl: Kubectl, bundle: str, tmp_path: Path) -> None:
    config = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    for file in ("secret.yaml", "manifests.yaml", "conversion_patch.yaml"):
        path = config / "webhook" / file
        text = path.read_text(encoding="utf-8").replace("timeoutSeconds: 10", "timeoutSeconds: 9")
        path.write_text(text.replace("/name: dgdr-controller\n", "/name: dgdr-controller\n    changed: at-all\n"))
    said = own_kubectl("apply", "-k", str(config / "default"))
    assert f"secret/{SECRET} configured" in said
    for kind, name in CONFIGURATIONS.items():
        assert [webhook["timeoutSeconds"] for webhook in read(own_kubectl, kind, name)["webhooks"]] == [9]
    assert written(own_kubectl) == [bundle] * 4
    own_kubectl("apply", "-k", DEFAULT)
    assert written(own_kubectl) == [bundle] * 4


def test_server_side_apply_leaves_it(own_kubectl: Kubectl, bundle: str) -> None:
    """As GitOps tools apply; also from one that was applied plainly before."""
    for _ in range(2):
        own_kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", DEFAULT)
        assert written(own_kubectl) == [bundle] * 4


def test_installed_anew_it_is_empty(own_kubectl: Kubectl, bundle: str) -> None:
    assert bundle
    own_kubectl("-n", "dgdr-system", "delete", "secret", SECRET)
    own_kubectl("apply", "-k", DEFAULT)
    found = read(own_kubectl, "-n", "dgdr-system", "secret", SECRET)
    assert "data" not in found
    assert found["type"] == "Opaque"


@pytest.mark.parametrize("folder", ["network-policy", "coexist", "overlays/coexist-1.36"])
def test_optional_parts_are_taken_with_strict_validation(own_kubectl: Kubectl, folder: str) -> None:
    where = str(CONFIG / folder)
    said = own_kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", where)
    assert len(said.splitlines()) == len(own_kubectl.built(where))


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n", "dgdr-system", "get", "secrets"),
        ("-n", "dgdr-system", "get", "secret", "another"),
        ("-n", "default", "get", "secret", SECRET),
        ("-n", "dgdr-system", "create", "secret", "generic", "new"),
        ("-n", "dgdr-system", "delete", "secret", SECRET),
        ("get", "crds"),
        ("get", "mutatingwebhookconfigurations"),
        ("delete", *DEFINITION),
        ("delete", "validatingwebhookconfiguration", CONFIGURATIONS["validatingwebhookconfiguration"]),
    ],
    ids=" ".join,
)
def test_controller_may_not(own_kubectl: Kubectl, arguments: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match=r"(?i)forbidden"):
        own_kubectl(*arguments, "--as", CONTROLLER)


@pytest.mark.parametrize("kind", [*CONFIGURATIONS, "crd"])
def test_controller_may_follow_its_own_objects_by_name(own_kubectl: Kubectl, kind: str) -> None:
    name = CONFIGURATIONS.get(kind, DEFINITION[1])
    listed = own_kubectl("get", kind, f"--field-selector=metadata.name={name}", "-o", "name", "--as", CONTROLLER)
    assert listed.strip().endswith(f"/{name}")


def test_requests_wait_for_who_answers(own_kubectl: Kubectl) -> None:
    """Fail, and not Ignore: what was not looked at is not stored."""
    request = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r", "namespace": "default"},
        "spec": {"model": "m"},
    }
    with pytest.raises(AssertionError, match=r'failed calling webhook "mdynamographdeploymentrequestv1beta1\.kb\.io"'):
        own_kubectl("create", "-f", "-", stdin=json.dumps(request))
