"""`dgdr validate`, in front of everything else that judges a request by the same rules: paths, words, warnings."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from test.builders.command_line import run

BETA = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeploymentRequest", "metadata": {"name": "r"}}
ALPHA = BETA | {"apiVersion": "nvidia.com/v1alpha1"}
PROFILING = {"profilerImage": "nvcr.io/nvidia/ai-dynamo/vllm-runtime:0.6.1"}


def said(tmp_path: Path, manifest: dict[str, Any]) -> str:
    file = tmp_path / "r.yaml"
    file.write_text(yaml.safe_dump(manifest))
    done = run("validate", "-f", str(file), folder=tmp_path)
    return (done.stdout + done.stderr).replace(f"{file}: r: ", "")


@pytest.mark.parametrize(
    ("profiling", "path"),
    [
        ({"tolerations": [{"value": "x"}]}, "spec.profilingConfig.tolerations[0].operator"),
        ({"resources": {"limits": {"memory": "a lot"}}}, "spec.profilingConfig.resources.limits[memory]"),
        ({"config": {"hardware": {"gpu_type": "H200"}}}, "spec.profilingConfig.config.hardware.gpu_type"),
        (
            {"config": {"planner": {"plannerMinEndpoint": "x"}}},
            "spec.profilingConfig.config.planner.plannerMinEndpoint",
        ),
        ({"profilerImage": "not an image !!:1.2.3"}, "spec.profilingConfig.profilerImage"),
    ],
)
def test_paths_are_those_of_the_version_that_was_written(tmp_path: Path, profiling: dict[str, Any], path: str) -> None:
    spec = {"model": "m", "backend": "vllm", "profilingConfig": PROFILING | profiling}
    assert said(tmp_path, ALPHA | {"spec": spec}).startswith(f"{path}: ")


def test_namespace_is_compared_where_there_is_one(tmp_path: Path) -> None:
    spec = {"model": "m", "backend": "vllm", "profilingConfig": PROFILING, "deploymentOverrides": {"namespace": "a"}}
    assert said(tmp_path, ALPHA | {"spec": spec}) == "valid\n"
    told = said(tmp_path, ALPHA | {"spec": spec, "metadata": {"name": "r", "namespace": "b"}})
    assert told.startswith('spec.deploymentOverrides.namespace: Invalid value: "a"')


@pytest.mark.parametrize(
    ("spec", "warning"),
    [
        ({"features": {"planner": {"bogus": 1}}}, "spec.features.planner.bogus is not a setting of Dynamo's planner"),
        (
            {"overrides": {"dgd": {"spec": {"services": {"VllmWorker": {"replicas": 1}}}}}},
            'override target "VllmWorker" is deprecated; use worker',
        ),
    ],
)
def test_warnings_are_those_of_kubectl_apply(tmp_path: Path, spec: dict[str, Any], warning: str) -> None:
    told = said(tmp_path, BETA | {"spec": {"model": "m"} | spec})
    assert warning in told
    assert "valid\n" in told


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"image": "not an image !!:1.2.3"}, 'spec.image: Invalid value: "not an image !!:1.2.3"'),
        ({"modelCache": {"pvcName": "My_PVC"}}, 'spec.modelCache.pvcName: Invalid value: "My_PVC"'),
        ({"hardware": {"gpuSku": "H200"}}, 'did you mean "h200_sxm" or "h200_nvl"?'),
        ({"hardware": {"gpuSku": "b200"}}, 'did you mean "b200_sxm"?'),
        ({"hardware": {"gpuSku": "MI300X"}}, 'did you mean "mi300"?'),
        ({"hardware": {"gpuSku": "B2OO"}}, "supported values"),
    ],
)
def test_mistake_that_would_fail_late_is_refused(tmp_path: Path, spec: dict[str, Any], error: str) -> None:
    assert error in said(tmp_path, BETA | {"spec": {"model": "m"} | spec})


@pytest.mark.parametrize("image", ["a", "a/b:1", "r.example:5000/a__b/c-d:1.2", "localhost/x@sha256:" + "a" * 64])
def test_images_are_taken_as_registries_do(tmp_path: Path, image: str) -> None:
    told = said(tmp_path, BETA | {"spec": {"model": "m", "image": image, "runtimeVersionOverride": "1.6.1"}})
    assert told == "valid\n"
