"""What the manifests say of themselves, without a cluster."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dgdr_controller.settings import Settings

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "config"


@pytest.fixture(scope="module")
def pod(shipped: list[Any]) -> Any:
    return named(shipped, "Deployment")["spec"]["template"]["spec"]


def built(kubectl: str, folder: Path = CONFIG / "default") -> list[Any]:
    command = [kubectl, "kustomize", str(folder)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module")
def shipped(kubectl_program: str) -> list[Any]:
    return built(kubectl_program)


def names(manifests: list[Any]) -> list[tuple[str, str]]:
    return sorted((manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests)


def named(manifests: list[Any], kind: str, name: str = "") -> Any:
    (found,) = [
        manifest for manifest in manifests if manifest["kind"] == kind and manifest["metadata"]["name"].startswith(name)
    ]
    return found


ALWAYS = [
    ("ClusterRole", "dgdr-admin-role"),
    ("ClusterRole", "dgdr-controller"),
    ("ClusterRole", "dgdr-editor-role"),
    ("ClusterRole", "dgdr-viewer-role"),
    ("ClusterRole", "dgdr-metrics-auth"),
    ("ClusterRole", "dgdr-metrics-reader"),
    ("ClusterRoleBinding", "dgdr-metrics-auth"),
    ("ClusterRoleBinding", "dgdr-controller"),
    ("ConfigMap", "dgdr-rights"),
    ("CustomResourceDefinition", "dynamographdeploymentrequests.nvidia.com"),
    ("Deployment", "dgdr-controller"),
    ("Namespace", "dgdr-system"),
    ("PodDisruptionBudget", "dgdr-controller"),
    ("Role", "dgdr-leader-election"),
    ("RoleBinding", "dgdr-leader-election"),
    ("ServiceAccount", "dgdr-controller"),
    ("ValidatingAdmissionPolicy", "dgdr-request-rights"),
    ("ValidatingAdmissionPolicyBinding", "dgdr-request-rights"),
    ("MutatingWebhookConfiguration", "dgdr-mutating-webhook-configuration"),
    ("Service", "dgdr-webhook-service"),
    ("ValidatingWebhookConfiguration", "dgdr-validating-webhook-configuration"),
]
SELF_MANAGED = [
    ("ClusterRole", "dgdr-webhook-certificates"),
    ("ClusterRoleBinding", "dgdr-webhook-certificates"),
    ("Role", "dgdr-webhook-certificates"),
    ("RoleBinding", "dgdr-webhook-certificates"),
    ("Secret", "dgdr-webhook-server-cert"),
]
CERT_MANAGERS = [
    ("Certificate", "dgdr-serving-cert"),
    ("Certificate", "dgdr-webhook-ca"),
    ("Issuer", "dgdr-selfsigned-issuer"),
    ("Issuer", "dgdr-webhook-ca-issuer"),
]


def without_settings(manifests: list[Any]) -> list[tuple[str, str]]:
    """Return what there is, but for the settings, whose name is of their content."""
    found = [kind_and_name for kind_and_name in names(manifests) if not kind_and_name[1].startswith("dgdr-settings-")]
    assert len(found) == len(manifests) - 1
    return found


def test_every_part_is_built_and_prefixed(shipped: list[Any]) -> None:
    assert without_settings(shipped) == sorted(ALWAYS + SELF_MANAGED)


CLUSTER_SCOPED = re.compile(r"Namespace|ClusterRole.*|CustomResourceDefinition|.*Admission.*|.*WebhookConfiguration")


@pytest.mark.parametrize(
    "folder", ["default", "overlays/certmanager", "network-policy", "prometheus", "coexist", "overlays/coexist-1.36"]
)
def test_namespaced_objects_are_in_our_namespace(kubectl_program: str, folder: str) -> None:
    for manifest in built(kubectl_program, CONFIG / folder):
        expected = None if CLUSTER_SCOPED.fullmatch(manifest["kind"]) else "dgdr-system"
        assert manifest["metadata"].get("namespace") == expected, manifest["kind"]
        assert manifest["kind"] in ("Namespace", "CustomResourceDefinition") or manifest["metadata"]["name"].startswith(
            "dgdr-"
        )


def test_whole_definition_fits_a_plain_apply(shipped: list[Any]) -> None:
    """kubectl keeps all of it in an annotation, which may have 262,144 bytes."""
    definition = named(shipped, "CustomResourceDefinition")
    assert len(json.dumps(definition, separators=(",", ":"))) < 200_000


def test_webhooks_are_called_where_the_controller_serves(shipped: list[Any]) -> None:
    """Names and paths are those of Dynamo's operator."""
    mutating = named(shipped, "MutatingWebhookConfiguration")["webhooks"]
    validating = named(shipped, "ValidatingWebhookConfiguration")["webhooks"]
    service = {"name": "dgdr-webhook-service", "namespace": "dgdr-system"}
    prefix = {"mdynamographdeploymentrequestv1beta1.kb.io": "mutate", "vdynamographdeploymentrequest.kb.io": "validate"}
    assert [webhook["name"] for webhook in mutating + validating] == list(prefix)
    for webhook in mutating + validating:
        path = f"/{prefix[webhook['name']]}-nvidia-com-v1beta1-dynamographdeploymentrequest"
        assert webhook["clientConfig"] == {"service": service | {"path": path}}
        (rule,) = webhook["rules"]
        assert rule == {
            "apiGroups": ["nvidia.com"],
            "apiVersions": ["v1beta1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["dynamographdeploymentrequests"],
            "scope": "Namespaced",
        }
        said = {key: webhook[key] for key in ("failurePolicy", "timeoutSeconds", "sideEffects", "matchPolicy")}
        assert said == {
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "sideEffects": "None",
            "matchPolicy": "Equivalent",
        }
    definition = named(shipped, "CustomResourceDefinition")
    assert definition["spec"]["conversion"] == {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service | {"path": "/convert"}}},
    }
    pod = named(shipped, "Deployment")["spec"]["template"]
    served = named(shipped, "Service")["spec"]
    assert served["selector"].items() <= pod["metadata"]["labels"].items()
    (port,) = served["ports"]
    assert (port["port"], port["targetPort"]) == (443, "webhook")
    (manager,) = pod["spec"]["containers"]
    assert {"name": "webhook", "containerPort": 9443} in manager["ports"]
    settings = named(shipped, "ConfigMap", "dgdr-settings-")["data"]
    assert settings["DGDR_WEBHOOK__ADDRESS"] == ":9443"
    assert settings["DGDR_WEBHOOK__CERTIFICATES"] == "self-managed"


def test_controller_may_write_its_certificates_where_they_belong(shipped: list[Any]) -> None:
    there = names(shipped)
    (secret,) = named(shipped, "Role", "dgdr-webhook")["rules"]
    assert ("Secret", *secret["resourceNames"]) in there
    rules = named(shipped, "ClusterRole", "dgdr-webhook")["rules"]
    for rule in rules:
        kinds = {f"{kind.lower()}s": kind for kind, _ in there}
        assert (kinds[rule["resources"][0]], *rule["resourceNames"]) in there
    assert all("create" not in rule["verbs"] and rule["resourceNames"] for rule in [secret, *rules])
    assert "data" not in named(shipped, "Secret")  # an apply would own it


def test_replica_always_answers(shipped: list[Any]) -> None:
    deployment = yaml.safe_load((CONFIG / "manager" / "manager.yaml").read_text(encoding="utf-8"))["spec"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    pod = deployment["template"]["spec"]
    budget = named(shipped, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == deployment["selector"]
    for spread in pod["topologySpreadConstraints"]:
        assert (spread["whenUnsatisfiable"], spread["labelSelector"]) == ("ScheduleAnyway", deployment["selector"])
    stops = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] - stops >= 30  # the manager's 25 s, and its servers


def test_cert_manager_takes_over_certificates(kubectl_program: str) -> None:
    overlay = built(kubectl_program, CONFIG / "overlays" / "certmanager")
    assert without_settings(overlay) == sorted(ALWAYS + CERT_MANAGERS)
    serving = named(overlay, "Certificate", "dgdr-serving")
    root = named(overlay, "Certificate", "dgdr-webhook-ca")
    issuers = {manifest["metadata"]["name"]: manifest["spec"] for manifest in overlay if manifest["kind"] == "Issuer"}
    assert issuers[root["spec"]["issuerRef"]["name"]] == {"selfSigned": {}}
    assert issuers[serving["spec"]["issuerRef"]["name"]] == {"ca": {"secretName": root["spec"]["secretName"]}}
    assert (root["spec"]["isCA"], serving["spec"].get("isCA")) == (True, None)
    injected = f"{serving['metadata']['namespace']}/{serving['metadata']['name']}"
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "CustomResourceDefinition"):
        found = named(overlay, kind)
        assert found["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": injected}
    service = found["spec"]["conversion"]["webhook"]["clientConfig"]["service"]
    assert serving["spec"]["dnsNames"][0] == f"{service['name']}.{service['namespace']}.svc"
    pod = named(overlay, "Deployment")["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if "secret" in volume]
    assert volume["secret"] == {"secretName": serving["spec"]["secretName"]}
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert mount["readOnly"]
    settings = named(overlay, "ConfigMap", "dgdr-settings-")
    assert settings["data"]["DGDR_WEBHOOK__CERTIFICATES"] == mount["mountPath"]
    assert pod["containers"][0]["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]


def test_traffic_is_let_through_to_ports_that_there_are(kubectl_program: str, shipped: list[Any]) -> None:
    pod = named(shipped, "Deployment")["spec"]["template"]
    ports = {port["containerPort"]: port["name"] for port in pod["spec"]["containers"][0]["ports"]}
    allowed: dict[str, Any] = {}
    for policy in built(kubectl_program, CONFIG / "network-policy"):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        (rule,) = policy["spec"]["ingress"]
        allowed |= {ports[port["port"]]: rule.get("from", "anywhere") for port in rule["ports"]}
    metrics = [{"namespaceSelector": {"matchLabels": {"metrics": "enabled"}}}]
    assert allowed == {"webhook": "anywhere", "metrics": metrics}


def test_rights_that_requests_need_are_enforced_everywhere(shipped: list[Any]) -> None:
    binding = named(shipped, "ValidatingAdmissionPolicyBinding")["spec"]
    switch = named(shipped, "ConfigMap", "dgdr-rights")
    assert binding == {
        "policyName": named(shipped, "ValidatingAdmissionPolicy")["metadata"]["name"],
        "validationActions": ["Deny"],
        "paramRef": {
            "name": switch["metadata"]["name"],
            "namespace": switch["metadata"]["namespace"],
            "parameterNotFoundAction": "Deny",
        },
    }
    assert switch["data"] == {"mode": "enforce", "images": "nvcr.io/nvidia"}
    policy = named(shipped, "ValidatingAdmissionPolicy")["spec"]
    assert (policy["failurePolicy"], policy["matchConstraints"]["matchPolicy"]) == ("Fail", "Equivalent")
    assert all(
        validation["reason"] == "Forbidden" and validation["messageExpression"] for validation in policy["validations"]
    )
    (manager,) = named(shipped, "Deployment")["spec"]["template"]["spec"]["containers"]
    told = {
        variable["name"]: variable["valueFrom"]
        for variable in manager["env"]
        if variable["name"].startswith("DGDR_RIGHTS")
    }
    assert told == {
        f"DGDR_RIGHTS__{key.upper()}": {
            "configMapKeyRef": {"name": switch["metadata"]["name"], "key": key, "optional": True}
        }
        for key in switch["data"]
    }


@pytest.mark.parametrize("folder", ["coexist", "overlays/coexist-1.36"])
def test_dynamos_operator_is_named_once(kubectl_program: str, tmp_path: Path, folder: str) -> None:
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    (config / "coexist" / "operator.env").write_text("USERS=system:serviceaccount:a:b,system:serviceaccount:c:d\n")
    policies = [manifest for manifest in built(kubectl_program, config / folder) if manifest["kind"].endswith("Policy")]
    assert policies
    for policy in policies:
        ((condition),) = policy["spec"]["matchConditions"]
        users = "'system:serviceaccount:a:b,system:serviceaccount:c:d'"
        assert condition["expression"] == f"request.userInfo.username in {users}.split(',')"


def test_every_right_is_given_for_a_reason() -> None:
    for file in ("rbac/role.yaml", "rbac/leader_election_role.yaml", "webhook/certificates_role.yaml"):
        text = (CONFIG / file).read_text(encoding="utf-8")
        lines = text.partition("rules:\n")[2].splitlines()
        rules = [index for index, line in enumerate(lines) if line.startswith("  - ")]
        assert rules
        unexplained = [lines[index + 1].strip() for index in rules if not lines[index - 1].startswith("  # ")]
        # roles and rolebindings share the reason of the account before them
        assert unexplained == (["resources: [roles, rolebindings]"] if file == "rbac/role.yaml" else [])
        assert "*" not in re.sub(r"#.*", "", text)


def test_pod_is_locked_down(pod: Any) -> None:
    (manager,) = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert manager["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_probes_lead_to_ports_that_are_there(pod: Any) -> None:
    (manager,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in manager["ports"]}
    assert ports == {"metrics": 8080, "health": 8081, "webhook": 9443}
    assert {manager[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/healthz",
        "/readyz",
    }
    assert {manager[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= set(ports)


def test_settings_are_ones_that_there_are(
    kubectl_program: str, shipped: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt variable would be ignored in silence."""
    config = named(built(kubectl_program), "ConfigMap", "dgdr-settings-")
    for name in ("IMAGE", "MEASURER_IMAGE", "PUBLISHER_IMAGE"):
        monkeypatch.setenv(f"DGDR_PROFILING__{name}", f"{config['data'][f'DGDR_PROFILING__{name}']}-seen")
    profiling = Settings().profiling
    assert (profiling.image, profiling.measurer_image, profiling.publisher_image) == (
        "profiler:latest-seen",
        "measurer:latest-seen",
        "controller:latest-seen",
    )
    for name in itertools.chain(config["data"], named(shipped, "ConfigMap", "dgdr-settings-")["data"]):
        place: Any = Settings()
        for part in name.removeprefix("DGDR_").lower().split("__"):
            assert hasattr(place, part), name
            place = getattr(place, part)


def listed(kustomization: Any) -> set[str]:
    """Return the files and folders that a kustomization names."""
    found = {*kustomization.get("resources", []), *kustomization.get("components", [])}
    found |= {*kustomization.get("configurations", []), *kustomization.get("transformers", [])}
    found |= {patch["path"] for patch in kustomization.get("patches", []) if "path" in patch}
    for generator in kustomization.get("configMapGenerator", []):
        found |= {*generator.get("envs", []), *generator.get("files", [])}
    return found


def test_every_manifest_in_the_folders_is_used() -> None:
    folders = [file.parent for file in CONFIG.rglob("kustomization.yaml")]
    assert folders
    for folder in folders:
        used = listed(yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8")))
        inner = [other for other in folders if folder in other.parents]
        files = [path for path in folder.rglob("*") if path.is_file() and not any(i in path.parents for i in inner)]
        there = {str(file.relative_to(folder)) for file in files} - {"kustomization.yaml"}
        assert there <= used or folder.name == "samples", folder  # of those, one is applied with the folder
        assert all((folder / name).exists() for name in used), folder
