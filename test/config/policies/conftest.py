"""The policies and roles of config/ on a real API server, and people who have some of its rights."""

import contextlib
import fcntl
import functools
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_api import crd
from hack.cluster.fixtures import brought_up
from hack.cluster.layout import layout
from hack.cluster.local import Local
from hack.cluster.model import Level
from test.builders.person import Person, RefusedError

ROOT = Path(__file__).parents[3]
SERVER_SIDE = "application/apply-patch+yaml"
SYSTEM = "dgdr-system"
SPREADS_S = 30.0
"""How long policies, bindings and rights may take to hold everywhere in the API server; about a second is usual."""

MODES: dict[str, dict[str, str] | None] = {
    "open": {"mode": "open"},
    "forbid": {"mode": "forbid", "images": "nvcr.io/nvidia"},
    "misspelt": {"mode": "opne"},
    "empty": {},
    "mirrored": {"mode": "enforce", "images": "nvcr.io/nvidia, registry.example:5000/mirror/,"},
    "switched": {"mode": "enforce"},
    "lost": None,
}
"""ConfigMaps that the policy is bound to in namespaces with this label; None: it is not there."""


class Kubectl:
    """Runs kubectl with the administrator's rights."""

    def __init__(self, program: str, cluster: Local) -> None:
        self._program = program
        self._environment = os.environ | {
            "KUBECONFIG": str(cluster.kubeconfig),
            "KUBECACHEDIR": str(cluster.layout.root),
        }

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [self._program, *arguments],
            cwd=ROOT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def built(self, folder: str | Path) -> list[Any]:
        """Return what a folder with a kustomization becomes."""
        return list(yaml.safe_load_all(self("kustomize", str(folder))))


def soon(question: Callable[[], object]) -> None:
    """Ask until the answer is yes.

    What is written into an API server does not hold at once: informers bring it to where it is decided by.
    """
    limit = time.monotonic() + SPREADS_S
    while not question():
        assert time.monotonic() < limit, "it does not hold yet"
        time.sleep(0.05)


def refuses(action: Callable[[], object], words: str = "") -> bool:
    try:
        action()
    except RefusedError as refused:
        return words in refused.message
    return False


@pytest.fixture(scope="session")
def cluster_with_policies(kubectl_program: str) -> Iterator[Local]:
    """A control plane with config/default's CRD, roles and policy, and config/coexist; no controller, no webhooks.

    The policy of rights is bound once more for each of `MODES`, where a namespace has this label. Everything is applied
    as it is shipped, but that its own binding leaves those namespaces alone.
    """
    cluster = Local(layout("test-policies"))
    with brought_up(cluster, Level.CONTROL_PLANE):
        with _once(cluster) as to_do:
            if to_do:
                _install(Kubectl(kubectl_program, cluster))
        yield cluster


@contextlib.contextmanager
def _once(cluster: Local) -> Iterator[bool]:
    """Say whether something is still to be done to a cluster, by the first process of a run, while the others wait."""
    done = cluster.layout.root / f"installed-{os.environ.get('PYTEST_XDIST_TESTRUNUID', uuid.uuid4().hex)}"
    with (cluster.layout.root / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()


def _install(kubectl: Kubectl) -> None:
    bare = yaml.safe_load((ROOT / f"config/crd/bases/nvidia.com_{crd.PLURAL}.yaml").read_text(encoding="utf-8"))
    bare["spec"].pop("conversion")  # nobody would answer: what is written in one version is the same in the other
    manifests = [bare, *filter(_is_wanted, kubectl.built("config/default"))]
    manifests += kubectl.built("config/overlays/coexist-1.36")
    for manifest in list(manifests):
        if manifest["kind"] == "ValidatingAdmissionPolicyBinding" and "paramRef" in manifest["spec"]:
            manifests += [_bound(manifest, mode) for mode in MODES]
            manifest["spec"]["matchResources"] = _where("DoesNotExist")
    manifests += [_config_map(mode, data) for mode, data in MODES.items() if data is not None]
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(_list(manifests)))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")


def _is_wanted(manifest: Any) -> bool:
    """Say whether a manifest is for these tests: whoever runs them has no images, and no webhook answers."""
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    return (
        kind in {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"}
        or "AdmissionPolicy" in kind
        or (kind, name) == ("ConfigMap", "dgdr-rights")
    )


def _where(operator: str, *values: str) -> Any:
    rule = {"key": "mode", "operator": operator} | ({"values": list(values)} if values else {})
    return {"namespaceSelector": {"matchExpressions": [rule]}}


def _bound(binding: Any, mode: str) -> Any:
    spec = binding["spec"]
    return binding | {
        "metadata": {"name": f"mode-{mode}"},
        "spec": spec | {"paramRef": spec["paramRef"] | {"name": mode}, "matchResources": _where("In", mode)},
    }


def _config_map(name: str, data: dict[str, str]) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SYSTEM}, "data": data}


def _list(items: list[Any]) -> Any:
    return {"apiVersion": "v1", "kind": "List", "items": items}


@pytest.fixture(scope="session")
def kubectl_for(kubectl_program: str) -> Callable[[Local], Kubectl]:
    """Have kubectl lead to another cluster."""
    return functools.partial(Kubectl, kubectl_program)


@pytest.fixture(scope="session")
def kubectl(cluster_with_policies: Local, kubectl_program: str) -> Kubectl:
    return Kubectl(kubectl_program, cluster_with_policies)


@pytest.fixture(scope="session")
def admin(cluster_with_policies: Local) -> Person:
    """May do everything."""
    return Person(cluster_with_policies.kubeconfig)


@pytest.fixture(scope="session")
def place(admin: Person) -> Iterator[Callable[..., Person]]:
    """Make a namespace, with labels; return its administrator."""
    made: list[str] = []

    def make(**labels: str) -> Person:
        name = f"test-{uuid.uuid4().hex[:12]}"
        admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        made.append(name)
        return replace(admin, namespace=name)

    yield make
    for name in made:
        admin.request("DELETE", f"/api/v1/namespaces/{name}")


JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
DEPLOYMENTS = {"apiGroups": ["nvidia.com"], "resources": ["dynamographdeployments"], "verbs": ["create"]}


def _is_allowed(admin: Person, review: dict[str, Any]) -> bool:
    return bool(admin.create(review)["status"]["allowed"])


def settle(there: Person, name: str, *more: dict[str, Any]) -> Person:
    """Return somebody who may write requests in a namespace, and what these rules say, once that holds."""
    person = replace(there, user=name)
    group = "rbac.authorization.k8s.io"
    bindings = {"editor": ("ClusterRole", "dgdr-editor-role")} | ({"more": ("Role", name)} if more else {})
    if more:
        metadata = {"name": name, "namespace": there.namespace}
        there.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": list(more)})
    for binding, (kind, role) in bindings.items():
        there.create(
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"{name}-{binding}", "namespace": there.namespace},
                "roleRef": {"apiGroup": group, "kind": kind, "name": role},
                "subjects": [{"apiGroup": group, "kind": "User", "name": name}],
            }
        )
    asked = [{"group": "nvidia.com", "resource": crd.PLURAL, "verb": "create"}]
    asked += [{"group": r["apiGroups"][0], "resource": r["resources"][0], "verb": r["verbs"][0]} for r in more]
    for attributes in asked:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": name, "resourceAttributes": attributes | {"namespace": there.namespace}},
        }
        soon(functools.partial(_is_allowed, there, review))
    return person


@dataclass(frozen=True)
class People:
    """Who there is in a namespace.

    Attributes:
        admin: May do everything.
        editor: May write requests.
        runner: May also create Jobs.
        deployer: May also create deployments.
    """

    admin: Person
    editor: Person
    runner: Person
    deployer: Person


@pytest.fixture(scope="session")
def people(place: Callable[..., Person]) -> People:
    """Those of a namespace in which the shipped binding holds, as soon as it does."""
    there = place()
    found = People(
        there, settle(there, "editor"), settle(there, "runner", JOBS), settle(there, "deployer", DEPLOYMENTS)
    )
    soon(
        lambda: refuses(lambda: found.editor.writes({"overrides": {"dgd": {"spec": {}}}}), "anything in the deployment")
    )
    return found


@pytest.fixture(scope="session")
def settled() -> Callable[..., Person]:
    """Have somebody in a namespace who may write requests, and what further rules say."""
    return settle


@pytest.fixture(scope="session", name="soon")
def asking() -> Callable[[Callable[[], object]], None]:
    """Ask until the answer is yes."""
    return soon


@pytest.fixture
def refusal() -> Callable[[Callable[[], object]], RefusedError]:
    """Do what must be refused; return what the API server says."""

    def catch(action: Callable[[], object]) -> RefusedError:
        with pytest.raises(RefusedError) as caught:
            action()
        return caught.value

    return catch


@pytest.fixture(scope="session", name="refuses")
def asked_whether_it_is_refused() -> Callable[..., bool]:
    """Say whether the API server refuses something."""
    return refuses


@pytest.fixture(scope="session")
def refusing() -> Callable[[Person, str], None]:
    """Wait until the policy holds as one of `MODES` says."""

    def wait(editor: Person, mode: str) -> None:
        forbidden: dict[str, Any] = {"overrides": {"dgd": {"spec": {}}}}
        words = {"forbid": "is forbidden in this cluster", "lost": "no params found"}.get(mode, "needs the right")
        soon(lambda: refuses(lambda: editor.writes(forbidden), words) != (mode == "open"))

    return wait
