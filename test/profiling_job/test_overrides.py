"""``spec.overrides.profilingJob`` over the profiling Job; what Dynamo's controller lays over its Job, and more."""

import copy
from typing import Any

import pytest
from hypothesis import given

from dgdr_api.job_spec import validate
from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import builder
from dgdr_controller.profiling_job.overrides import merged
from dgdr_controller.settings import Settings
from hack.cluster.api import Client
from test.builders.job_spec import part
from test.builders.observed_state import observed_of, request_of, run_of

OURS: Manifest = builder.job(run_of(observed_of(request_of("qwen"))))["spec"]


def laid(**spec: Any) -> Manifest:
    """Return the Job's spec with a pod that is overridden."""
    return over({"template": {"spec": spec}})


def over(override: Manifest) -> Manifest:
    """Lay something over the Job's spec that would be admitted."""
    assert validate(override) == []
    return merged(OURS, override)


def job(override: Manifest) -> Manifest:
    """Return the Job's spec for a request with this override."""
    assert validate(override) == []
    found: Manifest = builder.job(run_of(observed_of(request_of("qwen", overrides={"profilingJob": override}))))["spec"]
    return found


def pod(spec: Manifest) -> Manifest:
    found: Manifest = spec["template"]["spec"]
    return found


def named(entries: list[Manifest], name: str) -> Manifest:
    (found,) = [entry for entry in entries if entry["name"] == name]
    return found


def kept(spec: Manifest) -> list[Any]:
    """Return what belongs to the controller."""
    labels, (profiler,) = spec["template"]["metadata"]["labels"], pod(spec)["containers"]
    publisher = named(pod(spec)["initContainers"], "output-copier")
    volumes, mounts = pod(spec)["volumes"], profiler["volumeMounts"]
    return [
        {name: labels[name] for name in OURS["template"]["metadata"]["labels"]},
        profiler["args"],
        profiler.get("command"),
        {name: value for name, value in publisher.items() if name not in ("image", "resources")},
        [named(volumes, name) for name in ("input", "tmp", "output-copier-kube-api-access")],
        [named(mounts, name) for name in ("input", "profiling-output")],
        named(volumes, "profiling-output")["name"],
        pod(spec)["restartPolicy"],
        spec["podFailurePolicy"]["rules"][:3],
    ]


@pytest.mark.parametrize("nothing", [{}, {"template": {}}, {"template": {"spec": {"containers": []}}}])
def test_empty_override_changes_nothing(nothing: Manifest) -> None:
    assert over(nothing) == OURS


@given(override=part())
def test_fields_of_ours_stay_whatever_is_written(override: Manifest) -> None:
    before = copy.deepcopy((OURS, override))
    once = merged(OURS, override)
    assert kept(once) == kept(OURS)
    assert merged(once, override) == once
    assert (OURS, override) == before


@pytest.mark.parametrize(
    "override",
    [
        {"template": {"metadata": {"labels": {"app": "mine", "nvidia.com/dgdr-name": "x"}}}},
        {"template": {"spec": {"containers": [{"name": "profiler", "command": ["sh"], "args": []}]}}},
        {"template": {"spec": {"containers": [{"name": "output-copier", "command": ["sh"]}, {"name": "another"}]}}},
        {"template": {"spec": {"initContainers": [{"name": "output-copier", "env": []}, {"name": "profiler"}]}}},
        {"template": {"spec": {"volumes": [{"name": "input", "emptyDir": {}}]}}},
        {"template": {"spec": {"volumes": [{"name": "tmp", "persistentVolumeClaim": {"claimName": "programs"}}]}}},
    ],
)
def test_override_that_was_stored_before_a_rule_refused_it_has_no_effect(override: Manifest) -> None:
    assert validate(override)
    assert merged(OURS, override) == OURS


def test_fields_of_the_job_replace_ours() -> None:
    spec = over({"backoffLimit": 0, "ttlSecondsAfterFinished": 0, "suspend": False, "template": {"spec": {}}})
    assert spec == OURS | {"backoffLimit": 0, "ttlSecondsAfterFinished": 0, "suspend": False}


@pytest.mark.parametrize(("wanted", "own"), [(3600, 3480), (100, 50)])
def test_profiler_ends_before_a_deadline_of_the_users(wanted: int, own: int) -> None:
    spec = job({"activeDeadlineSeconds": wanted})
    assert spec["activeDeadlineSeconds"] == wanted
    assert f"--deadline={own}" in pod(spec)["containers"][0]["args"]


def test_rules_of_the_user_come_after_ours() -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    assert over({"podFailurePolicy": {"rules": [rule]}})["podFailurePolicy"]["rules"] == [
        *OURS["podFailurePolicy"]["rules"],
        rule,
    ]


def test_placement_is_replaced() -> None:
    where = {
        "nodeSelector": {"pool": "cpu"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "low",
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["hub"]}],
        "schedulerName": "mine",
    }
    assert pod(laid(**where)) == pod(OURS) | where


def test_container_is_changed_field_by_field_and_its_lists_by_name() -> None:
    token = {"name": "HF_TOKEN", "value": "abc"}
    proxy = {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}
    spec = laid(
        containers=[
            {
                "name": "profiler",
                "image": "mine",
                "resources": {"limits": {"memory": "16Gi"}},
                "env": [token, proxy],
                "envFrom": [{"configMapRef": {"name": "more"}}],
                "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
                "securityContext": {"readOnlyRootFilesystem": False},
            }
        ],
        volumes=[{"name": "extra", "emptyDir": {}}],
    )
    (profiler,), (before,) = pod(spec)["containers"], pod(OURS)["containers"]
    assert profiler == before | {
        "image": "mine",
        "resources": {"limits": {"memory": "16Gi"}},
        "env": [*(token if variable["name"] == "HF_TOKEN" else variable for variable in before["env"]), proxy],
        "envFrom": [{"configMapRef": {"name": "more"}}],
        "volumeMounts": [*before["volumeMounts"], {"name": "extra", "mountPath": "/extra"}],
        "securityContext": before["securityContext"] | {"readOnlyRootFilesystem": False},
    }
    assert pod(spec)["volumes"] == [*pod(OURS)["volumes"], {"name": "extra", "emptyDir": {}}]


@pytest.mark.parametrize("where", ["containers", "initContainers"])
def test_publisher_is_changed_wherever_it_is_written(where: str) -> None:
    changed = {"image": "mine", "resources": {"limits": {"memory": "1Gi"}}}
    spec = laid(**{where: [{"name": "output-copier", **changed}]})
    (publisher,) = pod(spec)["initContainers"]
    assert publisher == pod(OURS)["initContainers"][0] | changed
    assert pod(spec)["containers"] == pod(OURS)["containers"]


def test_sidecars_are_added() -> None:
    tunnel = {"name": "tunnel", "image": "tunnel", "restartPolicy": "Always"}
    assert [container["name"] for container in pod(laid(initContainers=[tunnel]))["initContainers"]] == [
        "output-copier",
        "tunnel",
    ]


def test_results_are_kept_on_the_users_claim() -> None:
    claim = {"name": "profiling-output", "persistentVolumeClaim": {"claimName": "dynamo-pvc"}}
    volumes = pod(laid(containers=[], volumes=[claim]))["volumes"]
    assert named(volumes, "profiling-output") == claim
    assert len(volumes) == len(pod(OURS)["volumes"])


def test_secrets_for_pulling_are_added_to_those_of_the_settings() -> None:
    request = request_of(
        "qwen", overrides={"profilingJob": {"template": {"spec": {"imagePullSecrets": [{"name": "b"}]}}}}
    )
    settings = Settings.model_validate({"profiling": {"pull_secrets": ("a",)}})
    found = builder.job(run_of(observed_of(request, settings=settings)))["spec"]
    assert pod(found)["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


def test_account_of_the_users_may_publish() -> None:
    request = request_of("qwen", overrides={"profilingJob": {"template": {"spec": {"serviceAccountName": "mine"}}}})
    run = run_of(observed_of(request))
    assert pod(builder.job(run)["spec"])["serviceAccountName"] == "mine"
    assert [subject["name"] for subject in builder.role_binding(run)["subjects"]] == ["mine"]


@pytest.mark.cluster
def test_kubernetes_takes_what_is_laid_over_ours(namespace: str, api: Client) -> None:
    override = {
        "backoffLimit": 1,
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}]},
        "template": {
            "metadata": {"labels": {"team": "a"}, "annotations": {"b": "c"}},
            "spec": {
                "volumes": [
                    {"name": "profiling-output", "persistentVolumeClaim": {"claimName": "dynamo-pvc"}},
                    {"name": "extra", "emptyDir": {}},
                ],
                "containers": [{"name": "profiler", "volumeMounts": [{"name": "extra", "mountPath": "/extra"}]}],
                "initContainers": [{"name": "tunnel", "image": "tunnel", "restartPolicy": "Always"}],
                "tolerations": [{"operator": "Exists"}],
            },
        },
    }
    request = request_of("qwen", overrides={"profilingJob": override})
    manifest = builder.job(run_of(observed_of(request)))
    manifest["metadata"] = {"name": "laid-over", "namespace": namespace}
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All&fieldValidation=Strict"
    stored = api.request("POST", path, manifest)
    assert [container["name"] for container in stored["spec"]["template"]["spec"]["initContainers"]] == [
        "output-copier",
        "tunnel",
    ]
