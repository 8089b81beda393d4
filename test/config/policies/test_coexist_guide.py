"""The commands of docs/how-to/live-beside-dynamos-operator.md, as they are written there."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.fixtures import brought_up
from hack.cluster.layout import CHECKOUT, layout
from hack.cluster.local import Local
from hack.cluster.model import Level

pytestmark = [pytest.mark.cluster, pytest.mark.alone("beside-dynamo")]  # one cluster, used in turn

PAGE = Path(CHECKOUT) / "docs" / "how-to" / "live-beside-dynamos-operator.md"
BLOCK = re.compile(r"^( *)```bash\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ACCOUNT = "dynamo-platform-dynamo-operator-controller-manager"
OPERATOR = f"system:serviceaccount:dynamo-system:{ACCOUNT}"
PART = {"app.kubernetes.io/part-of": "dynamo-operator"}


def commands() -> list[str]:
    """Return the blocks of commands of the page, in their order."""
    page = PAGE.read_text(encoding="utf-8")
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in BLOCK.findall(page)]


def block(words: str) -> str:
    (found,) = [command for command in commands() if words in command]
    return found


class Shell:
    """Runs commands of the page."""

    def __init__(self, cluster: Local, kubectl: str) -> None:
        self._environment = os.environ | {
            "KUBECONFIG": str(cluster.kubeconfig),
            "KUBECACHEDIR": str(cluster.layout.root),
            "PATH": f"{Path(kubectl).parent}:{os.environ['PATH']}",
        }

    def __call__(self, script: str, stdin: str = "") -> tuple[str, str]:
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", script],
            cwd=CHECKOUT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout, done.stderr

    def apply(self, *manifests: Any) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        _, errors = self("kubectl apply --server-side -f -", text)
        assert not errors

    def read(self, *what: str) -> Any:
        return json.loads(self(f"kubectl get {' '.join(what)} -o json")[0])


def entry(name: str, resource: str) -> Any:
    rule = {"apiGroups": ["nvidia.com"], "apiVersions": ["v1beta1"], "operations": ["CREATE"], "resources": [resource]}
    service = {"name": "dynamo-operator-webhook-service", "namespace": "dynamo-system", "path": f"/{name}"}
    said = {"name": name, "rules": [rule], "clientConfig": {"service": service}, "failurePolicy": "Ignore"}
    return said | {"admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 1}


def dynamos() -> list[Any]:
    """Return of Dynamo's Helm chart what the page is about."""
    namespaced = {"namespace": "dynamo-system", "labels": PART}
    pod = {"serviceAccountName": ACCOUNT, "containers": [{"name": "manager", "image": "operator"}]}
    selector = {"matchLabels": {"control-plane": "controller-manager"}}
    template = {"metadata": {"labels": selector["matchLabels"]}, "spec": pod}
    registration = {"apiVersion": "admissionregistration.k8s.io/v1"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dynamo-system"}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": namespaced | {"name": ACCOUNT},
            "spec": {"selector": selector, "template": template},
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "dynamo"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "dynamo-system"}],
        },
        registration
        | {
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "dynamo-mutating", "labels": PART},
            "webhooks": [
                entry("mdynamographdeployment.kb.io", "dynamographdeployments"),
                entry("mdynamographdeploymentrequestv1beta1.kb.io", "dynamographdeploymentrequests"),
                entry("mdynamocomponentdeploymentv1beta1.kb.io", "dynamocomponentdeployments"),
            ],
        },
        registration
        | {
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "dynamo-validating", "labels": PART},
            "webhooks": [
                entry("vdynamographdeploymentrequest.kb.io", "dynamographdeploymentrequests"),
                entry("vdynamographdeployment.kb.io", "dynamographdeployments"),
            ],
        },
    ]


def request(name: str, *finalizers: str) -> Any:
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": name, "namespace": "default", "finalizers": list(finalizers)},
        "spec": {"model": "m"},
    }


@pytest.fixture(scope="module")
def shell(kubectl_program: str) -> Iterator[Shell]:
    """On a cluster with Dynamo's objects and our CRD, and nobody who works: what is applied is for a whole cluster."""
    cluster = Local(layout("test-beside-dynamo"))
    with brought_up(cluster, Level.CONTROL_PLANE):
        run = Shell(cluster, kubectl_program)
        (definition,) = (Path(CHECKOUT) / "config" / "crd" / "bases").glob("*.yaml")
        run.apply(yaml.safe_load(definition.read_text(encoding="utf-8")), *dynamos())
        run("kubectl wait --for=condition=Established crd --all --timeout=30s")
        yield run


def test_operator_is_who_the_file_says(shell: Shell) -> None:
    said, _ = shell(block("get deployments -A"))
    file = Path(CHECKOUT) / "config" / "coexist" / "operator.env"
    _, _, users = file.read_text(encoding="utf-8").partition("\nUSERS=")
    assert said == f"{OPERATOR}\n"
    assert said.strip() in users.strip().split(",")


def test_webhook_entries_for_requests_go_and_the_others_stay(shell: Shell) -> None:
    shell.apply(*dynamos())
    for _ in range(2):
        _, errors = shell(block('"$patch": "delete"'))
        assert not errors
        kinds = ("mutatingwebhookconfiguration dynamo-mutating", "validatingwebhookconfiguration dynamo-validating")
        assert [[webhook["name"] for webhook in shell.read(kind)["webhooks"]] for kind in kinds] == [
            ["mdynamographdeployment.kb.io", "mdynamocomponentdeploymentv1beta1.kb.io"],
            ["vdynamographdeployment.kb.io"],
        ]
        assert shell(block("grep deploymentrequest")) == ("", "")
    shell.apply(*dynamos())
    assert len(shell(block("grep deploymentrequest"))[0].splitlines()) == 2


def test_finalizer_of_the_operator_goes_and_others_stay(shell: Shell) -> None:
    theirs = "nvidia.com/finalizer"
    made = {"old": (theirs,), "new": (), "both": ("example.com/a", theirs, "example.com/b")}
    shell.apply(*dynamos())
    shell(block('"$patch": "delete"'))
    shell.apply(*(request(name, *finalizers) for name, finalizers in made.items()))
    for _ in range(2):
        _, errors = shell(block("nvidia.com/finalizer"))
        assert not errors
        requests = [manifest["metadata"] for manifest in shell.read("dgdr")["items"]]
        left = {metadata["name"]: metadata.get("finalizers", []) for metadata in requests}
        assert left == {"old": [], "new": [], "both": ["example.com/a", "example.com/b"]}


@pytest.mark.parametrize("folder", ["config/overlays/coexist-1.36", "config/coexist"])
def test_operator_is_kept_away_and_let_in_again(shell: Shell, soon: Any, folder: str) -> None:
    """By either of the two ways, and back; requests and their definition stay."""
    written = block("config/overlays/coexist-1.36")
    assert "`kubectl apply -k config/coexist`" in PAGE.read_text(encoding="utf-8")
    _, errors = shell(written.replace("config/overlays/coexist-1.36", folder))
    assert not errors

    def kept_away() -> bool:
        said, errors = shell(block("dgdr-output-check"))
        assert "configmap/check created" in said
        return "ConfigMaps dgdr-output-* are dgdr-controller's" in errors

    soon(kept_away)
    _, errors = shell(block("kubectl delete namespace dgdr-system"))
    assert not errors
    soon(lambda: not kept_away())
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings,mutatingadmissionpolicies,mutatingadmissionpolicybindings"
    assert shell.read(kinds)["items"] == []
    assert shell.read("crd", "dynamographdeploymentrequests.nvidia.com")


def test_every_command_of_the_page_is_tried() -> None:
    """Here; `make deploy` in test/config/install, and what the CRD says of conversion where that is on."""
    tried = ["get deployments -A", '"$patch": "delete"', "grep deploymentrequest", "nvidia.com/finalizer"]
    tried += ["config/overlays/coexist-1.36", "dgdr-output-check", "kubectl delete namespace dgdr-system"]
    elsewhere = ("make deploy", "conversion.webhook.clientConfig.service.name")
    blocks = {block(words) for words in (*tried, *elsewhere)}
    assert blocks == set(commands())
