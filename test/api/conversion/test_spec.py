"""Where each word of v1alpha1 goes, and what is refused or said about words that cannot go anywhere."""

import json
from typing import Any

import pytest

from dgdr_api import parse_request, validate
from dgdr_api.conversion import V1ALPHA1, V1BETA1, UnknownVersionError, convert, kept_spec
from dgdr_api.conversion.validation import engine_gpus
from dgdr_api.defaults import effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import ANNOTATION_DEFAULTS, ANNOTATION_PRESERVED
from dgdr_api.validation import warnings

Json = Any


def alpha(**spec: Json) -> Json:
    return {
        "apiVersion": V1ALPHA1,
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r"},
        "spec": {"model": "m", **spec},
    }


def profiled(config: Json = None, **fields: Json) -> Json:
    return {"profilingConfig": {"config": config or {}, **fields}}


def converted(spec: Json) -> Json:
    result: Json = convert(alpha(**spec), V1BETA1)
    return result["spec"]


def at(spec: Json, path: str) -> Json:
    for part in path.split("."):
        spec = next(item for item in spec if item["name"] == part) if isinstance(spec, list) else spec[part]
    return spec


@pytest.mark.parametrize(
    ("spec", "path", "value"),
    [
        (profiled(profilerImage="r.io/i:1.6.1"), "image", "r.io/i:1.6.1"),
        ({"useMocker": True}, "features.mocker", True),
        (profiled({"sweep": {"use_ai_configurator": True}}), "searchStrategy", "rapid"),
        (profiled({"sweep": {"useAiConfigurator": True}}), "searchStrategy", "rapid"),
        (profiled({"sweep": {"useAiConfigurator": False}}), "searchStrategy", "thorough"),
        (profiled(), "searchStrategy", "thorough"),
        (profiled(), "autoApply", False),
        ({}, "searchStrategy", "rapid"),
        ({}, "autoApply", True),
        (profiled() | {"autoApply": True}, "autoApply", True),
        (profiled() | {"searchStrategy": "rapid"}, "searchStrategy", "rapid"),
        (profiled({"sla": {"isl": 7}}), "workload.isl", 7),
        (profiled({"sla": {"osl": 7.0}}), "workload.osl", 7),
        (profiled({"sla": {"ttft": 200}}), "sla.ttft", 200),
        (profiled({"sla": {"itl": 0.5}}), "sla.itl", 0.5),
        (profiled({"sla": {"optimizationType": "latency"}}), "sla.optimizationType", "latency"),
        (profiled({"sla": {"optimization_type": "latency"}}), "sla.optimizationType", "latency"),
        (profiled({"deployment": {"modelCache": {"pvcName": "c"}}}), "modelCache.pvcName", "c"),
        (profiled({"deployment": {"model_cache": {"pvc_name": "c"}}}), "modelCache.pvcName", "c"),
        (profiled({"deployment": {"modelCache": {"pvcPath": "p"}}}), "modelCache.pvcModelPath", "p"),
        (profiled({"deployment": {"modelCache": {"modelPathInPvc": "p"}}}), "modelCache.pvcModelPath", "p"),
        (profiled({"deployment": {"modelCache": {"mountPath": "/m"}}}), "modelCache.pvcMountPath", "/m"),
        (profiled({"hardware": {"gpu_type": "l40s"}}), "hardware.gpuSku", "l40s"),
        (profiled({"hardware": {"gpuType": "l40s"}}), "hardware.gpuSku", "l40s"),
        (profiled({"sweep": {"aic_system": "h200_sxm"}}), "hardware.gpuSku", "h200_sxm"),
        (profiled({"aic": {"system": "h200_sxm"}}), "hardware.gpuSku", "h200_sxm"),
        (profiled({"hardware": {"numGpusPerNode": 8}}), "hardware.numGpusPerNode", 8),
        (profiled({"planner": {"planner_min_endpoint": 2}}), "features.planner", {"planner_min_endpoint": 2}),
        (profiled(tolerations=[{"key": "x"}]), "overrides.profilingJob.template.spec.tolerations", [{"key": "x"}]),
        (profiled(nodeSelector={"a": "b"}), "overrides.profilingJob.template.spec.nodeSelector", {"a": "b"}),
        (
            profiled(resources={"limits": {"cpu": 2}}),
            "overrides.profilingJob.template.spec.containers.profiler.resources",
            {"limits": {"cpu": 2}},
        ),
        (profiled({"sla": {"isl": 7}}) | {"workload": {"osl": 3}}, "workload", {"isl": 7, "osl": 3}),
    ],
)
def test_word_reaches_its_field(spec: Json, path: str, value: Json) -> None:
    assert at(converted(spec), path) == value


def test_profiling_config_brings_the_planner_unless_it_is_switched_off() -> None:
    assert effective(parse_request(alpha(**profiled()))).planner
    assert not effective(parse_request(alpha(**profiled({"planner": {"enabled": False}})))).planner
    assert not effective(parse_request(alpha(**profiled(), features={"planner": False}))).planner
    assert not effective(parse_request(alpha())).planner


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            profiled({"sla": {"isl": "3000"}}),
            'spec.profilingConfig.config.sla.isl: Invalid value: "3000": must be an integer of at least 1',
        ),
        (
            profiled({"sla": {"ttft": 0}}),
            "spec.profilingConfig.config.sla.ttft: Invalid value: 0: must be a number of milliseconds above 0",
        ),
        (
            profiled({"sla": {"isl": 3000}}) | {"workload": {"isl": 4000}},
            "spec.workload.isl: Invalid value: 4000: spec.profilingConfig.config.sla.isl is 3000; set only one of them",
        ),
        (
            profiled({"sweep": {"use_ai_configurator": True}}) | {"searchStrategy": "thorough"},
            (
                'spec.searchStrategy: Invalid value: "thorough": '
                "spec.profilingConfig.config.sweep.use_ai_configurator is true; set only one of them"
            ),
        ),
        (
            profiled({"hardware": {"gpu_type": "l40s"}, "sweep": {"aic_system": "h200_sxm"}}),
            (
                'spec.profilingConfig.config.sweep.aic_system: Invalid value: "h200_sxm": is an alias of '
                'spec.profilingConfig.config.hardware.gpu_type, which is "l40s"; set only one of them'
            ),
        ),
        (
            profiled({"sweep": {"use_ai_configurator": True, "useAiConfigurator": False}}),
            (
                "spec.profilingConfig.config.sweep.useAiConfigurator: Invalid value: false: is an alias of "
                "spec.profilingConfig.config.sweep.use_ai_configurator, which is true; set only one of them"
            ),
        ),
    ],
)
def test_contradiction_is_refused_where_it_is_written(spec: Json, message: str) -> None:
    assert [str(error) for error in validate(parse_request(alpha(**spec)))] == [message]


@pytest.mark.parametrize(
    "spec",
    [
        profiled({"sla": {"isl": 3000}}) | {"workload": {"isl": 3000}},
        profiled({"sweep": {"use_ai_configurator": True}}) | {"searchStrategy": "rapid"},
        {"useMocker": True, "features": {"mocker": {"enabled": True}}},
        profiled({"sla": {"isl": None}, "hardware": {"gpu_type": ""}}),
    ],
)
def test_repetition_of_the_same_is_no_fault(spec: Json) -> None:
    assert validate(parse_request(alpha(**spec))) == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (profiled({"output_dir": "/x"}), ["spec.profilingConfig.config.output_dir has no effect"]),
        (profiled({"sweep": {"dry_run": True}}), ["spec.profilingConfig.config.sweep.dry_run has no effect"]),
        (
            profiled({"sweep": {"aic_backend_version": "0.20.0"}}),
            [
                (
                    "spec.profilingConfig.config.sweep.aic_backend_version has no effect: "
                    "the newest performance data is used"
                )
            ],
        ),
        (profiled({"hardware": {"min_num_gpus_per_engine": 2}}), []),
        (profiled({"planner": {"a": {"b": 1}}}), []),
        (profiled({"engine": {"backend": "vllm"}}) | {"backend": "vllm"}, []),
        (
            profiled({"engine": {"backend": "sglang"}}) | {"backend": "vllm"},
            ["spec.profilingConfig.config.engine.backend (sglang) will be overwritten by spec.backend (vllm)"],
        ),
        ({"enableGpuDiscovery": True}, []),
        (
            {"enableGpuDiscovery": False},
            ["spec.enableGpuDiscovery has no effect: hardware that spec.hardware does not set is always discovered"],
        ),
    ],
)
def test_setting_without_effect_is_named(spec: Json, told: list[str]) -> None:
    assert warnings(parse_request(alpha(**spec))) == told


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"profilingconfig": {}}, 'spec.profilingconfig: Unknown field: did you mean "profilingConfig"?'),
        (
            {"profilingConfig": {"profilerimage": "x"}},
            'spec.profilingConfig.profilerimage: Unknown field: did you mean "profilerImage"?',
        ),
        (
            {"profilingConfig": {"configMapRef": {}}},
            "spec.profilingConfig.configMapRef.name: Required value",
        ),
        (
            {"backend": "triton"},
            'spec.backend: Unsupported value: "triton": supported values: "auto", "sglang", "trtllm", "vllm"',
        ),
        ({"useMocker": "yes"}, 'spec.useMocker: Invalid value: "yes": must be true or false'),
    ],
)
def test_wrong_word_is_named_as_it_is_written(spec: Json, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(alpha(**spec))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("hardware", "bounds"),
    [
        ({}, (1, None)),
        ({"min_num_gpus_per_engine": 2}, (2, None)),
        ({"minNumGpusPerEngine": 2, "max_num_gpus_per_engine": 4}, (2, 4)),
    ],
)
def test_engine_has_as_many_gpus_as_v1alpha1_allows(hardware: Json, bounds: Json) -> None:
    request = parse_request(alpha(**profiled({"hardware": hardware})))
    assert engine_gpus(kept_spec(dict(request.metadata.annotations or {}))) == bounds
    assert validate(request) == []


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        ({"min_num_gpus_per_engine": 0}, "min_num_gpus_per_engine: Invalid value: 0: must be an integer of at least 1"),
        ({"maxNumGpusPerEngine": "8"}, 'maxNumGpusPerEngine: Invalid value: "8": must be an integer of at least 1'),
        (
            {"min_num_gpus_per_engine": 8, "max_num_gpus_per_engine": 4},
            "min_num_gpus_per_engine: Invalid value: 8: must not be larger than the maximum, 4",
        ),
    ],
)
def test_bounds_that_no_engine_can_keep_are_refused(hardware: Json, message: str) -> None:
    found = validate(parse_request(alpha(**profiled({"hardware": hardware}))))
    assert [str(error) for error in found] == [f"spec.profilingConfig.config.hardware.{message}"]


def test_claim_for_the_profilers_files_has_a_name_of_kubernetes() -> None:
    for name, errors in {
        "dynamo-pvc": [],
        "": [],
        "Dynamo": ['Invalid value: "Dynamo": must be a DNS subdomain (RFC 1123)'],
    }.items():
        found = validate(parse_request(alpha(profilingConfig={"config": {}, "outputPVC": name})))
        assert [str(error) for error in found] == [f"spec.profilingConfig.outputPVC: {error}" for error in errors]


def test_edit_in_v1beta1_is_seen_where_v1alpha1_says_it() -> None:
    stored: Json = convert(alpha(**profiled({"sla": {"isl": 3000}, "sweep": {"use_ai_configurator": True}})), V1BETA1)
    stored["spec"] |= {"workload": {"isl": 8000}, "searchStrategy": "thorough"}
    read: Json = convert(stored, V1ALPHA1)
    assert read["spec"]["profilingConfig"]["config"] == {"sla": {"isl": 8000}, "sweep": {"use_ai_configurator": False}}
    assert read["spec"].keys() == {"model", "profilingConfig"}


def test_v1beta1_keeps_its_defaults_when_it_is_edited_as_v1alpha1() -> None:
    stored: Json = {**alpha(), "apiVersion": V1BETA1}
    stored["spec"] |= {"searchStrategy": "rapid", "autoApply": True}
    read: Json = convert(stored, V1ALPHA1)
    assert read["metadata"]["annotations"] == {ANNOTATION_DEFAULTS: "v1beta1"}
    read["spec"]["workload"] = {"osl": 5}
    again = parse_request(read)
    assert (effective(again).isl.value, effective(again).osl.value) == (4000, 5)


def test_request_stored_by_upstreams_conversion_has_the_defaults_of_its_form() -> None:
    kept = {"profilingConfig": {"configMapRef": {"name": "base"}, "config": {"sla": {}}}}
    stored: Json = {**alpha(), "apiVersion": V1BETA1}
    stored["metadata"]["annotations"] = {ANNOTATION_PRESERVED: json.dumps(kept)}
    stored["spec"] |= {"searchStrategy": "rapid", "autoApply": False}
    assert effective(parse_request(stored)).isl.value == 3000
    read: Json = convert(stored, V1ALPHA1)
    assert read["spec"] == {"model": "m", "searchStrategy": "rapid", **kept}


@pytest.mark.parametrize("version", ["nvidia.com/v1beta2", "v1beta1", ""])
def test_version_that_is_not_served_is_refused(version: str) -> None:
    with pytest.raises(UnknownVersionError, match=r"nvidia\.com/v1alpha1"):
        convert(alpha(), version)
    with pytest.raises(UnknownVersionError):
        convert({**alpha(), "apiVersion": version}, V1BETA1)
