"""What scripts and administrators find of a profiling Job: its names, its containers, and as whom they run."""

from typing import Any

from dgdr_controller.manifest import Manifest
from dgdr_controller.profiling_job import builder
from dgdr_controller.settings import ProfilingSettings, Settings
from test.builders.observed_state import observed_of, request_of, run_of

NAMED = {
    "dgdr.nvidia.com/name": "qwen",
    "dgdr.nvidia.com/namespace": "team",
    "nvidia.com/managed-by": "dynamo-operator",
}


def job(settings: Settings | None = None, **spec: Any) -> Manifest:
    state = observed_of(request_of(**spec))
    return builder.job(run_of(state if settings is None else observed_of(state.request, settings=settings)))


def pod(of: Manifest) -> Manifest:
    found: Manifest = of["spec"]["template"]["spec"]
    return found


def containers(of: Manifest) -> tuple[Manifest, Manifest]:
    """Return profiler and publisher."""
    (profiler,), (publisher,) = pod(of)["containers"], pod(of)["initContainers"]
    return profiler, publisher


def test_job_and_its_pod_have_the_labels_that_scripts_look_for() -> None:
    made = job()
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("profile-qwen", "team")
    assert made["metadata"]["labels"] == NAMED | {"app": "dynamo-profiler", "dgdr": "qwen"}
    pods = made["spec"]["template"]["metadata"]["labels"]
    assert pods == NAMED | {"app": "dynamo-profiler", "nvidia.com/dgdr-name": "qwen"}


def test_pod_is_a_profiler_and_a_publisher_beside_it_and_nothing_else() -> None:
    for made in (job(), job(searchStrategy="thorough"), job(overrides={"dgd": {"metadata": {"labels": {"a": "b"}}}})):
        profiler, publisher = containers(made)
        assert (profiler["name"], publisher["name"]) == ("profiler", "output-copier")
        assert publisher["restartPolicy"] == "Always"  # a sidecar: it neither ends the pod nor keeps it from ending


def test_profiler_has_the_variables_of_its_request_and_of_the_token_alone() -> None:
    profiler, _ = containers(job())
    names = {variable["name"]: variable for variable in profiler["env"]}
    assert list(names) == ["DGDR_NAME", "DGDR_NAMESPACE", "DGDR_UID", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
    assert (names["DGDR_NAME"]["value"], names["DGDR_NAMESPACE"]["value"]) == ("qwen", "team")


def test_pod_starts_without_the_secret_of_the_token() -> None:
    profiler, _ = containers(job())
    sources = [variable["valueFrom"]["secretKeyRef"] for variable in profiler["env"] if "valueFrom" in variable]
    assert sources == [{"name": "hf-token-secret", "key": "HF_TOKEN", "optional": True}] * 2


def test_profiler_reads_the_request_from_the_file_that_its_argument_names() -> None:
    profiler, _ = containers(job())
    assert "--config=/config/input.json" in profiler["args"]
    assert {"name": "input", "mountPath": "/config", "readOnly": True} in profiler["volumeMounts"]


def test_pod_is_no_root_and_its_volumes_are_its_users() -> None:
    assert pod(job())["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_last_words_of_both_containers_reach_the_pods_status() -> None:
    policies = [container["terminationMessagePolicy"] for container in containers(job())]
    assert policies == ["FallbackToLogsOnError"] * 2


def test_publisher_is_the_image_of_the_installation_with_its_program_as_argument() -> None:
    settings = Settings(profiling=ProfilingSettings(publisher_image="r.io/controller:1.2.3"))
    _, publisher = containers(job(settings))
    assert publisher["image"] == "r.io/controller:1.2.3"
    assert publisher["args"] == ["publish", "--output-dir=/exchange"]
    assert "command" not in publisher  # neither a shell nor kubectl is looked for
