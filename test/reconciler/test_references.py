"""Which objects a request names that others make."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_controller.reconciler.references import Use, references
from dgdr_controller.settings import ProfilingSettings, Settings
from test.builders.observed_state import request_of

JOB, DGD = "spec.overrides.profilingJob.template.spec", "spec.overrides.dgd.spec"
POD: dict[str, Any] = {
    "serviceAccountName": "robot",
    "imagePullSecrets": [{"name": "registry"}, {}],
    "volumes": [
        {"name": "work", "persistentVolumeClaim": {"claimName": "disk"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "more-keys", "secret": {"secretName": "more-keys", "optional": True}},
        {"name": "text", "configMap": {"name": "text"}},
        {"name": "all", "projected": {"sources": [{"secret": {"name": "a"}}, {"configMap": {"name": "b"}}]}},
        {"name": "empty", "emptyDir": {}},
    ],
    "containers": [
        {
            "name": "profiler",
            "env": [
                {"name": "A", "value": "a"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "b", "key": "b"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "c", "key": "c", "optional": True}}},
                {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "d", "key": "d"}}},
            ],
            "envFrom": [{"secretRef": {"name": "e"}}, {"configMapRef": {"name": "f", "optional": True}}],
        }
    ],
    "initContainers": [{"name": "first", "envFrom": [{"configMapRef": {"name": "g"}}]}],
}


def named(request: Any, settings: Settings | None = None) -> dict[tuple[str, str, Use], str]:
    found = references(request, settings or Settings())
    return {(reference.object.kind, reference.object.name, reference.use): reference.path for reference in found}


def test_public_model_needs_nothing() -> None:
    assert named(request_of()) == {}


def test_claim_of_the_model_is_named() -> None:
    for field in ("pvcName",):
        found = named(request_of(modelCache={field: "models"}))
        assert found == {("PersistentVolumeClaim", "models", Use.MODEL_CACHE): "spec.modelCache.pvcName"}


def test_base_deployment_is_named() -> None:
    kept = {ANNOTATION_PRESERVED: json.dumps({"profilingConfig": {"configMapRef": {"name": "base"}}})}
    assert named(request_of(annotations=kept)) == {
        ("ConfigMap", "base", Use.BASE): "spec.profilingConfig.configMapRef",
    }


def test_everything_that_the_profiling_pod_does_not_start_without_is_named() -> None:
    assert named(request_of(overrides={"profilingJob": {"template": {"spec": POD}}})) == {
        ("ServiceAccount", "robot", Use.JOB): f"{JOB}.serviceAccountName",
        ("Secret", "registry", Use.PULL): f"{JOB}.imagePullSecrets",
        ("PersistentVolumeClaim", "disk", Use.JOB): f"{JOB}.volumes[work]",
        ("Secret", "keys", Use.JOB): f"{JOB}.volumes[keys]",
        ("ConfigMap", "text", Use.JOB): f"{JOB}.volumes[text]",
        ("Secret", "a", Use.JOB): f"{JOB}.volumes[all]",
        ("ConfigMap", "b", Use.JOB): f"{JOB}.volumes[all]",
        ("Secret", "b", Use.JOB): f"{JOB}.containers[profiler]",
        ("ConfigMap", "d", Use.JOB): f"{JOB}.containers[profiler]",
        ("Secret", "e", Use.JOB): f"{JOB}.containers[profiler]",
        ("ConfigMap", "g", Use.JOB): f"{JOB}.initContainers[first]",
    }


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (
            {"components": [{"name": "worker", "podTemplate": {"spec": {"imagePullSecrets": [{"name": "registry"}]}}}]},
            "components[worker].podTemplate.spec",
        ),
        (
            {"services": {"worker": {"extraPodSpec": {"imagePullSecrets": [{"name": "registry"}]}}}},
            "services.worker.extraPodSpec",
        ),
    ],
)
def test_pods_of_the_deployment_are_looked_into(spec: dict[str, Any], path: str) -> None:
    assert named(request_of(overrides={"dgd": {"spec": spec}})) == {
        ("Secret", "registry", Use.PULL): f"{DGD}.{path}.imagePullSecrets",
    }


def test_secret_with_variables_of_a_service_is_named() -> None:
    override = {"spec": {"services": {"worker": {"envFromSecret": "ours"}, "odd": [], "none": {}}}}
    assert named(request_of(overrides={"dgd": override})) == {
        ("Secret", "ours", Use.DEPLOYMENT): f"{DGD}.services.worker.envFromSecret",
    }


@pytest.mark.parametrize("name", ["../../kube-system/secrets/token", "..", "a/b", "A", "a%2fb", "a" * 254])
def test_name_that_no_object_has_is_not_looked_for(name: str) -> None:
    pod = {"serviceAccountName": name, "imagePullSecrets": [{"name": name}]}
    override = {"spec": {"services": {"worker": {"extraPodSpec": pod, "envFromSecret": name}}}}
    kept = {ANNOTATION_PRESERVED: json.dumps({"profilingConfig": {"configMapRef": {"name": name}}})}
    assert named(request_of(overrides={"dgd": override}, annotations=kept)) == {}


def test_account_that_the_controller_makes_is_not_waited_for() -> None:
    job = {"template": {"spec": {"serviceAccountName": "dgdr-profiling-job"}}}
    assert named(request_of(overrides={"profilingJob": job})) == {}


def test_secrets_of_the_installation_are_named() -> None:
    settings = Settings(profiling=ProfilingSettings(pull_secrets=("registry", "registry")))
    assert named(request_of(), settings) == {("Secret", "registry", Use.PULL): "DGDR_PROFILING__PULL_SECRETS"}


TOKEN = ("Secret", "hf-token-secret", Use.TOKEN)


@pytest.mark.parametrize(
    ("spec", "needed"),
    [
        ({"model": "meta-llama/Llama-3.1-8B-Instruct"}, True),
        ({"model": "Qwen/Qwen3-32B"}, False),
        ({"model": "meta-llama/Llama-3.1-8B", "modelCache": {"pvcName": "models"}}, False),
        *(
            ({"model": "meta-llama/Llama-3.1-8B", "overrides": {"dgd": {"spec": spec}}}, False)
            for spec in (
                {"envs": [{"name": "HF_ENDPOINT", "value": "http://mirror"}]},
                {"services": {"w": {"envFromSecret": "ours"}}},
                {
                    "components": [
                        {
                            "name": "w",
                            "podTemplate": {"spec": {"containers": [{"name": "main", "env": [{"name": "HF_TOKEN"}]}]}},
                        }
                    ]
                },
            )
        ),
    ],
)
def test_token_is_needed_for_gated_models_of_the_hub(spec: dict[str, Any], needed: Any) -> None:
    assert (TOKEN in named(request_of(**spec))) is needed


@pytest.mark.aic
def test_publishers_of_gated_models_are_known_to_the_simulator() -> None:
    from dgdr_controller.profiler.simulation.aic.survey import models  # noqa: PLC0415 - loads AIC
    from dgdr_controller.reconciler.references import _GATED  # noqa: PLC0415

    for publisher in _GATED:
        assert any(model.startswith(publisher) for model in models())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "components",
                    "services",
                    "podTemplate",
                    "extraPodSpec",
                    "volumes",
                    "secret",
                    "name",
                    "env",
                    "a",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_an_override_of_the_deployment_says_is_read(value: Any) -> None:
    override = value if isinstance(value, dict) else {"spec": value}
    found = references(request_of(model="meta-llama/x", overrides={"dgd": override}), Settings())
    assert all(reference.object.name for reference in found)


def test_nesting_has_no_limit() -> None:
    value: Any = {}
    for _ in range(20_000):
        value = {"a": value}
    request = request_of(model="meta-llama/x")
    overrides = request_of(overrides={"dgd": {}}).spec.overrides
    assert overrides is not None
    deep = request.spec.model_copy(update={"overrides": overrides.model_copy(update={"dgd": value})})
    assert references(request.model_copy(update={"spec": deep}), Settings())
