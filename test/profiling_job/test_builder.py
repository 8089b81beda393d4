import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.names import MAX_REQUEST_NAME
from dgdr_controller.profiling_job import builder
from dgdr_controller.profiling_job.protocol import JobInput
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.reconciler import profiling_run
from dgdr_controller.settings import DynamoSettings, ProfilingSettings, Settings
from hack.cluster.api import Client
from test.builders.observed_state import observed_of, request_of, run_of

NAMES = st.from_regex(r"\A[a-z]([-a-z0-9]{0,53}[a-z0-9])?\Z")
MODELS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=200)
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


def run(name: str = "qwen", settings: Settings | None = None, **spec: Any) -> Run:
    state = observed_of(request_of(name, **spec))
    return run_of(state if settings is None else observed_of(state.request, settings=settings))


def objects(of: Run) -> list[dict[str, Any]]:
    return [ensure.manifest for ensure in profiling_run.objects(observed_of(of.request), of)]


def labels(value: Any) -> Iterator[dict[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("labels"), dict):
            yield value["labels"]
        for content in value.values():
            yield from labels(content)


@given(name=NAMES, model=MODELS)
def test_objects_of_the_same_inputs_have_the_same_bytes(name: str, model: str) -> None:
    assert json.dumps(objects(run(name, model=model))) == json.dumps(objects(run(name, model=model)))


@given(name=NAMES | st.just("a" * MAX_REQUEST_NAME), model=MODELS)
def test_names_and_labels_keep_the_limits(name: str, model: str) -> None:
    for manifest in objects(run(name, model=model)):
        assert _NAME.fullmatch(manifest["metadata"]["name"])
        for found in labels(manifest):
            assert all(_LABEL.fullmatch(value) for value in found.values()), found
    job = builder.job(run(name))
    assert len(job["metadata"]["name"]) <= 63  # becomes the value of label batch.kubernetes.io/job-name


@given(model=MODELS)
def test_input_is_what_the_profiler_reads(model: str) -> None:
    made = run(model=model)
    content = builder.input_config_map(made)
    assert content["immutable"] is True
    read = JobInput.model_validate_json(content["data"]["input.json"], by_alias=True, by_name=False)
    assert read.request.spec == made.request.spec
    assert read.hardware == made.hardware
    assert read.request.status is None


def test_input_has_another_name_when_its_content_may_differ() -> None:
    names = {run(model=model).input_name for model in ("a", "b")} | {run(settings=profiled_by("x")).input_name}
    older = run(model="a", image="r.io/vllm-runtime:1.2.0"), run(settings=installed("1.2.0"), model="a")
    assert len(names | {made.input_name for made in older}) == 5
    assert run(settings=installed("1.6.0")).inputs == run().inputs  # the same engines as without
    assert run(settings=installed("1.6.0")).input_name != run().input_name  # but images of another version


@pytest.mark.parametrize(("version", "release"), [("1.6.1", None), ("1.7.0", None), ("1.4.2", "1.4")])
def test_profiler_is_told_the_engines_of_an_older_release(version: str, release: str | None) -> None:
    content = builder.input_config_map(run(settings=installed(version)))["data"]["input.json"]
    assert JobInput.model_validate_json(content, by_alias=True, by_name=False).release == release


def installed(version: str) -> Settings:
    return Settings(dynamo=DynamoSettings(version=version))


def profiled_by(image: str) -> Settings:
    return Settings(profiling=ProfilingSettings(image=image))


def test_input_is_read_by_the_job_that_it_was_made_for() -> None:
    made = run()
    job = builder.job(made)
    volumes = {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert volumes["input"]["configMap"]["name"] == builder.input_config_map(made)["metadata"]["name"]


CLAIM = {"persistentVolumeClaim": {"claimName": "dynamo-pvc"}}
PRESERVED = "nvidia.com/dgdr-spec"


def kept_in(volume: dict[str, Any] | None, claim: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the volume of the profiler's files and the profiler's arguments about files."""
    pod = {"volumes": [{"name": "profiling-output", **volume}]} if volume else {}
    made = run(overrides={"profilingJob": {"template": {"spec": pod}}}) if pod else run()
    if claim is not None:
        annotations = {PRESERVED: json.dumps({"profilingConfig": {"outputPVC": claim}})}
        metadata = made.request.metadata.model_copy(update={"annotations": annotations})
        made = replace(made, request=made.request.model_copy(update={"metadata": metadata}))
    template = builder.job(made)["spec"]["template"]["spec"]
    (found,) = (volume for volume in template["volumes"] if volume["name"] == "profiling-output")
    return found, [arg for arg in template["containers"][0]["args"] if arg.startswith("--artifacts")]


@pytest.mark.parametrize(
    ("volume", "claim", "source"),
    [
        (None, None, None),
        (None, "", None),
        (None, "dynamo-pvc", CLAIM),
        (CLAIM, None, CLAIM),
        (CLAIM, "another", CLAIM),
        ({"emptyDir": {"sizeLimit": "1Gi"}}, None, None),
    ],
)
def test_files_are_kept_where_a_request_has_a_volume_for_them(
    volume: dict[str, Any] | None, claim: str | None, source: dict[str, Any] | None
) -> None:
    found, arguments = kept_in(volume, claim)
    assert found == {"name": "profiling-output", **(source or volume or {"emptyDir": {}})}
    assert arguments == (["--artifacts-dir=/data/qwen"] if source else [])


def test_result_goes_through_a_volume_that_is_not_the_users() -> None:
    pod = builder.job(run())["spec"]["template"]["spec"]
    (profiler,), (publisher,) = pod["containers"], pod["initContainers"]
    for container in (profiler, publisher):
        (exchange,) = (mount for mount in container["volumeMounts"] if mount["name"] == "profiling-exchange")
        assert f"--output-dir={exchange['mountPath']}" in container["args"]
    assert {"name": "profiling-exchange", "emptyDir": {}} in pod["volumes"]
    assert "profiling-output" not in [mount["name"] for mount in publisher["volumeMounts"]]


def test_base_deployment_is_mounted_and_may_be_missing() -> None:
    kept = {"profilingConfig": {"configMapRef": {"name": "base", "key": "disagg.yaml"}}}
    request = request_of(annotations={PRESERVED: json.dumps(kept)})
    pod = builder.job(run_of(observed_of(request)))["spec"]["template"]["spec"]
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "profiling-config")
    assert volume["configMap"] == {
        "name": "base", "items": [{"key": "disagg.yaml", "path": "deployment.yaml"}], "optional": True,
    }  # fmt: skip
    assert "--base=/base/deployment.yaml" in pod["containers"][0]["args"]
    assert "/base" in [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    assert not any("base" in arg for arg in builder.job(run())["spec"]["template"]["spec"]["containers"][0]["args"])


def test_profiler_renders_with_the_settings_of_the_installation() -> None:
    settings = Settings(dynamo=DynamoSettings(registry="r.io/x", version="1.6.0"), prometheus_endpoint="http://p:1")
    content = builder.input_config_map(run(settings=settings))["data"]["input.json"]
    deployment = JobInput.model_validate_json(content, by_alias=True, by_name=False).deployment
    assert deployment is not None
    assert deployment.settings().dynamo == settings.dynamo
    assert deployment.settings().prometheus_endpoint == "http://p:1"
    assert not deployment.v1alpha1


def test_job_may_write_its_output_and_nothing_else() -> None:
    role, binding = builder.role(run()), builder.role_binding(run())
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["dgdr-output-qwen"],
            "verbs": ["get", "patch"],
        }
    ]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    pod = builder.job(run())["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    (profiler,), (publisher,) = pod["containers"], pod["initContainers"]
    assert not [mount for mount in profiler["volumeMounts"] if "kube-api-access" in mount["name"]]
    assert [mount for mount in publisher["volumeMounts"] if "kube-api-access" in mount["name"]]


def test_objects_go_with_the_request_but_for_the_shared_account() -> None:
    for manifest in objects(run()):
        owners = manifest["metadata"].get("ownerReferences", [])
        assert len(owners) == (0 if manifest["kind"] == "ServiceAccount" else 1)
        assert all(owner["controller"] and "blockOwnerDeletion" not in owner for owner in owners)


def test_first_rule_that_fits_decides_on_a_failed_pod() -> None:
    fails, interrupted, disrupted = builder.job(run())["spec"]["podFailurePolicy"]["rules"]
    assert (fails["action"], fails["onExitCodes"]["values"]) == ("FailJob", [65, 69, 126, 127, 128])
    assert (interrupted["action"], interrupted["onExitCodes"]["values"]) == ("Ignore", [75])
    assert (disrupted["action"], disrupted["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")


def test_profiler_reports_before_the_job_deletes_it() -> None:
    settings = Settings(profiling=ProfilingSettings(rapid_deadline_s=600))
    job = builder.job(run(settings=settings))
    (profiler,) = job["spec"]["template"]["spec"]["containers"]
    assert job["spec"]["activeDeadlineSeconds"] == 600
    assert "--deadline=480" in profiler["args"]


@pytest.mark.cluster
@pytest.mark.parametrize("name", ["qwen", "a" * MAX_REQUEST_NAME])
def test_api_server_takes_every_object_and_knows_every_field(api: Client, namespace: str, name: str) -> None:
    settings = Settings(profiling=ProfilingSettings(pull_secrets=("registry",)))
    request = request_of(name)
    moved = request.model_copy(update={"metadata": request.metadata.model_copy(update={"namespace": namespace})})
    for manifest in objects(run_of(observed_of(moved, settings=settings))):
        path = PATHS[manifest["kind"]].format(namespace)
        stored = api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", manifest)
        assert stored["metadata"]["name"] == manifest["metadata"]["name"]


def test_model_cache_is_mounted_for_the_profiler_alone_and_read_only() -> None:
    pod = builder.job(run(modelCache={"pvcName": "claim", "pvcMountPath": "/models"}))["spec"]["template"]["spec"]
    claim = {"claimName": "claim", "readOnly": True}
    assert {"name": "model-cache", "persistentVolumeClaim": claim} in pod["volumes"]
    (profiler,), (publisher,) = pod["containers"], pod["initContainers"]
    mount = {"name": "model-cache", "mountPath": "/models", "readOnly": True}
    assert mount in profiler["volumeMounts"]
    assert mount not in publisher["volumeMounts"]
    assert "model-cache" not in json.dumps(builder.job(run()))


def test_thorough_search_has_an_image_a_volume_and_a_limit_of_its_own() -> None:
    profiling = ProfilingSettings(measurer_image="r/measurer:1", measuring_gpu_hours=12)
    settings = Settings(profiling=profiling)
    made = builder.job(run(settings=settings, searchStrategy="thorough"))["spec"]
    pod = made["template"]["spec"]
    (profiler,), (publisher,) = pod["containers"], pod["initContainers"]
    assert profiler["image"] == "r/measurer:1"
    assert {"--report-dir=/report", "--gpu-hours=12"} <= {*profiler["args"]}
    assert "--report-dir=/report" in publisher["args"]
    mounts = {
        c["name"]: next(m for m in c["volumeMounts"] if m["mountPath"] == "/report") for c in (profiler, publisher)
    }
    assert mounts["profiler"]["readOnly"]
    assert "readOnly" not in mounts["output-copier"]
    assert made["activeDeadlineSeconds"] == profiling.thorough_deadline_s
    rapid = json.dumps(builder.job(run(settings=settings)))
    assert "report" not in rapid
    assert "measurer" not in rapid


def test_thorough_result_is_of_its_image() -> None:
    """A newer measurer may measure otherwise; the image of the other strategy changes nothing."""
    before = run(settings=Settings(), searchStrategy="thorough").inputs
    other = run(settings=Settings(profiling=ProfilingSettings(image="r/other:1")), searchStrategy="thorough").inputs
    newer = run(
        settings=Settings(profiling=ProfilingSettings(measurer_image="r/m:2")), searchStrategy="thorough"
    ).inputs
    assert before == other != newer
