"""Which release of Dynamo a deployment's images are of, and that each one's parsers take what is rendered for it."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.candidate import Candidate, Mode, Parallelism, Role
from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_api.parse import parse_request
from dgdr_api.preserved import DeploymentOverrides, Preserved
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.compose import Composed, compose
from dgdr_controller.deployment.render.images import engines_release
from dgdr_controller.deployment.render.releases import NEWEST, RELEASES, Release, release_of, version_of
from dgdr_controller.settings import VERIFIED_DYNAMO_VERSION, DynamoSettings, Settings
from hack.engines import known
from hack.engines.ask import parse
from hack.engines.wheels import RELEASES as WHEELS

OLDER = RELEASES[1:]
IDS = [str(release) for release in RELEASES]
INSTALLED = f"nvcr.io/nvidia/ai-dynamo/vllm-runtime:{VERIFIED_DYNAMO_VERSION}"


def tagged(release: Release) -> str:
    return f"r.io/dynamo/dynamo-planner:{release.checked}"


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.6.1", (1, 6)),
        ("v1.5.0", (1, 5)),
        ("1.4.2-cuda13", (1, 4)),
        ("1.7.0rc1", (1, 7)),
        ("1.3.0.post1", (1, 3)),
        ("1.2", (1, 2)),
        ("9.0.1+build", (9, 0)),
        ("25.06-py3", None),
        ("24.10", None),
        ("latest", None),
        ("main-1.6.1", None),
        ("1", None),
        ("1.6.1x", None),
        ("20261130", None),
        ("", None),
        (None, None),
    ],
)
def test_version_is_read_off_a_tag(tag: str | None, version: tuple[int, int] | None) -> None:
    assert version_of(tag) == version


@pytest.mark.parametrize(
    ("version", "spoken"), [((1, 6), "1.6"), ((1, 7), "1.6"), ((2, 0), "1.6"), ((1, 3), "1.3"), ((0, 9), "1.0")]
)
def test_release_between_two_speaks_as_the_older_one(version: tuple[int, int], spoken: str) -> None:
    assert str(release_of(version)) == spoken


def test_releases_are_those_whose_parsers_are_asked() -> None:
    assert [release.checked for release in RELEASES] == list(WHEELS)
    for release in RELEASES:
        wheels = WHEELS[release.checked]
        assert release.engines[:2] == (wheels.vllm.version, wheels.sglang.version)
    assert NEWEST.checked == VERIFIED_DYNAMO_VERSION


@pytest.mark.parametrize("release", RELEASES, ids=IDS)
def test_every_release_takes_what_is_rendered_for_it(lines_of: Callable[..., Any], release: Release) -> None:
    lines = lines_of(image=tagged(release))
    facts = {module: known.read(module, release.checked) for module in {line.module for line in lines}}
    assert {objection for line in lines for objection in facts[line.module].objections(line.words)} == set()


@pytest.mark.engines
@pytest.mark.parametrize("release", OLDER, ids=IDS[1:])
def test_parsers_of_every_release_take_what_is_rendered_for_it(lines_of: Callable[..., Any], release: Release) -> None:
    lines = lines_of(image=tagged(release))
    for module in sorted({line.module for line in lines} - {"dynamo.planner"}):
        words = sorted({line.words for line in lines if line.module == module})
        refusals = [answer.refusal for answer in parse(module, words, release.checked)]
        assert dict(zip(words, refusals, strict=True)) == dict.fromkeys(words)


def test_newest_language_would_end_pods_of_every_older_release(lines: list[Any]) -> None:
    """The tables say something: without them a program of every older release ends."""
    for release in OLDER:
        facts = {module: known.read(module, release.checked) for module in {line.module for line in lines}}
        assert {objection for line in lines for objection in facts[line.module].objections(line.words)}, str(release)


def composed(request: Any, of: Candidate, settings: Settings | None = None) -> Composed:
    return compose(of, request, settings or Settings())


def images(made: Composed) -> set[str]:
    components = made.graph["spec"]["components"]
    return {c["podTemplate"]["spec"]["containers"][0]["image"] for c in components}


def args(made: Composed, name: str) -> list[str]:
    (component,) = (c for c in made.graph["spec"]["components"] if c["name"] == name)
    return list(component["podTemplate"]["spec"]["containers"][0]["args"])


@pytest.mark.parametrize("release", RELEASES, ids=IDS)
@pytest.mark.parametrize("aggregated", [False, True])
def test_planner_of_every_release_knows_the_settings_that_are_rendered(
    graph_request: Any, make_candidate: Any, release: Release, *, aggregated: bool
) -> None:
    written = {"no_operation": True, "throughput_adjustment_interval": 60, "ttft": 400}
    request = graph_request(image=tagged(release), features={"planner": written})
    of = make_candidate()
    if not aggregated:
        roles = (Role.PREFILL, Role.DECODE)
        workers = tuple(of.workers[0].model_copy(update={"role": role}) for role in roles)
        of = make_candidate(mode=Mode.DISAGGREGATED, workers=workers)
    (config_map,) = composed(request, of).config_maps
    config = json.loads(config_map["data"]["planner_config.json"])
    unknown = known.read("dynamo.planner", release.checked).unknown_keys(config)
    assert unknown == (["optimization_target"] if str(release) == "1.0" else [])  # which switches say there
    modern = release.version >= (1, 2)
    assert config["advisory" if modern else "no_operation"] is True
    assert config["throughput_adjustment_interval_seconds" if modern else "throughput_adjustment_interval"] == 60
    switches = (config.get("enable_throughput_scaling"), config.get("enable_load_scaling"))
    assert switches == ((False, True) if str(release) == "1.0" else (None, None))


def test_options_of_tensorrt_llm_go_into_one_flag_of_the_oldest_release(
    graph_request: Any, make_candidate: Any
) -> None:
    made = composed(graph_request(image="r.io/dynamo-planner:1.0.1"), make_candidate(backend=Backend.TRTLLM))
    words = args(made, "worker")
    assert not any(word.startswith("--trtllm.") for word in words)
    assert json.loads(words[words.index("--override-engine-args") + 1]) == {
        "enable_chunked_prefill": True,
        "cuda_graph_config": {"enable_padding": True, "max_batch_size": 8},
    }


def test_images_before_the_oldest_release_are_replaced(graph_request: Any, make_candidate: Any) -> None:
    request = graph_request(image="my.io/dynamo/dynamo-planner:0.6.1")
    made = composed(request, make_candidate())
    assert images(made) == {INSTALLED}
    (note,) = made.notes
    assert note == (
        "spec.image my.io/dynamo/dynamo-planner:0.6.1 is of a Dynamo before 1.0, whose programs take other flags; "
        f"the images of Dynamo {VERIFIED_DYNAMO_VERSION} run instead. If it is a build of a later Dynamo, set "
        "spec.runtimeVersionOverride to that version; to keep the image, set annotation dgdr.nvidia.com/keep-image to "
        "true"
    )
    kept = composed(replace(request, keeps_image=True), make_candidate(backend=Backend.SGLANG))
    assert images(kept) == {"my.io/dynamo/sglang-runtime:0.6.1"}
    assert "--cuda-graph-max-bs" in args(kept, "worker")
    assert kept.notes == ("The images are Dynamo 0.6; their flags are those of 1.0, and were not checked",)


@pytest.mark.parametrize(
    ("image", "version", "note"),
    [
        (
            "r.io/dynamo-planner:latest",
            None,
            "r.io/dynamo-planner:latest does not say which Dynamo it is; the flags are",
        ),
        ("r.io/own@sha256:" + "0" * 64, "1.2.1", None),
        ("r.io/dynamo-planner:1.9.0", None, "The images are Dynamo 1.9; their flags are those of 1.6, and were not"),
        ("r.io/dynamo-planner:mine", "1.2.1", None),
        ("r.io/dynamo-planner:1.5.0", None, None),
    ],
)
def test_version_that_an_image_does_not_say_is_the_overrides_or_the_installations(
    graph_request: Any, make_candidate: Any, image: str, version: str | None, note: str | None
) -> None:
    request = graph_request(image=image, runtimeVersionOverride=version)
    made = composed(request, make_candidate(backend=Backend.SGLANG))
    old = "--cuda-graph-max-bs" in args(made, "worker")
    assert old is (version == "1.2.1")
    assert [n.startswith(note or "") for n in made.notes] == ([True] if note else [])


def test_installation_of_an_older_release_is_spoken_to_in_its_language(graph_request: Any, make_candidate: Any) -> None:
    settings = Settings(dynamo=DynamoSettings(version="1.1.0"))
    made = composed(graph_request(), make_candidate(backend=Backend.SGLANG), settings)
    assert images(made) == {"nvcr.io/nvidia/ai-dynamo/sglang-runtime:1.1.0"}
    assert "--cuda-graph-max-bs" in args(made, "worker")
    assert made.notes == ()


def test_workers_image_of_another_release_is_spoken_to_in_its_own(graph_request: Any, make_candidate: Any) -> None:
    kept = Preserved.model_validate({"deploymentOverrides": {"workersImage": "r.io/sglang-runtime:1.2.0"}})
    request = replace(graph_request(features={"planner": True}), preserved=kept)
    made = composed(request, make_candidate(backend=Backend.SGLANG, workers=_workers(make_candidate)))
    assert "--cuda-graph-max-bs" in args(made, "worker")
    (config_map,) = made.config_maps
    assert "ttft_ms" in json.loads(config_map["data"]["planner_config.json"])  # the planner is of the installation's


def _workers(make_candidate: Any) -> Any:
    return make_candidate(tp=2).workers


def test_simulated_workers_are_timed_as_their_release_can(graph_request: Any, make_candidate: Any) -> None:
    shape = Parallelism(tp=2)
    worker = make_candidate().workers[0].model_copy(update={"parallelism": shape})
    of = make_candidate(backend=Backend.TRTLLM, workers=(worker,))

    def line(version: str) -> str:
        made = composed(graph_request(image=f"r.io/dynamo-planner:{version}", features={"mocker": True}), of)
        return " ".join(args(made, "worker"))

    assert "--engine-type trtllm" in line("1.6.1")
    assert "--ais-backend trtllm" in line("1.6.1")
    assert "--aic-backend trtllm" in line("1.3.1")
    assert "--engine-type vllm" in line("1.2.1")
    assert "--aic-backend trtllm" in line("1.2.1")
    assert "--aic-backend" not in line("1.1.1")
    assert "--engine-type" not in line("1.0.2")


def test_override_of_the_version_that_is_replaced_is_not_told_to_the_operator(
    graph_request: Any, make_candidate: Any
) -> None:
    request = graph_request(image="my.io/dynamo-planner:latest", runtimeVersionOverride="0.6.1")
    made = composed(request, make_candidate())
    assert images(made) == {INSTALLED}
    assert not any("runtimeVersionOverride" in component for component in made.graph["spec"]["components"])
    assert (
        "my.io/dynamo-planner:latest with spec.runtimeVersionOverride 0.6.1 is of a Dynamo before 1.0" in made.notes[0]
    )
    own = composed(graph_request(image="my.io/planner:0.3.0", runtimeVersionOverride="1.6.1"), make_candidate())
    assert images(own) == {"my.io/vllm-runtime:0.3.0"}
    assert own.notes == ()


def test_image_of_an_override_that_is_of_another_release_is_told(graph_request: Any, make_candidate: Any) -> None:
    container = {"name": "main", "image": "r.io/vllm-runtime:1.0.2"}
    override = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "spec": {"components": [{"name": "worker", "podTemplate": {"spec": {"containers": [container]}}}]},
    }
    request = graph_request(overrides={"dgd": override})
    (note,) = composed(request, make_candidate()).notes
    assert note == (
        "Component worker runs r.io/vllm-runtime:1.0.2, but its flags are those of Dynamo 1.6: set spec.image to an image "
        "of the same release, or spec.runtimeVersionOverride"
    )
    same = graph_request(image="r.io/vllm-runtime:1.0.1", overrides={"dgd": override})
    assert composed(same, make_candidate()).notes == ()


@pytest.mark.parametrize(
    ("image", "backend", "architecture", "note"),
    [
        ("1.2.1", Backend.VLLM, "NemotronHForCausalLM", "What NemotronHForCausalLM needs was read in the engines of"),
        (
            "1.2.1",
            Backend.TRTLLM,
            "Qwen3ForCausalLM",
            "Whether TensorRT-LLM of Dynamo 1.2 loads Qwen3ForCausalLM is not",
        ),
        ("1.2.1", Backend.VLLM, "Qwen3ForCausalLM", None),
        ("1.6.1", Backend.VLLM, "NemotronHForCausalLM", None),
    ],
)
def test_what_is_not_known_of_older_engines_is_told(
    graph_request: Any, make_candidate: Any, image: str, backend: Backend, architecture: str, note: str | None
) -> None:
    request = graph_request(image=f"r.io/vllm-runtime:{image}", facts={"architecture": architecture})
    notes = composed(request, make_candidate(backend=backend)).notes
    assert [text.startswith(note or "") for text in notes] == ([True] if note else [])


@pytest.mark.parametrize(
    ("spec", "workers", "installed", "found"),
    [
        ({}, None, "1.6.1", "1.6"),
        ({}, None, "1.4.0", "1.4"),
        ({"image": "r.io/vllm-runtime:1.2.0"}, None, "1.6.1", "1.2"),
        ({"image": "r.io/vllm-runtime:1.2.0"}, "r.io/sglang-runtime:1.3.1", "1.6.1", "1.3"),
        ({"image": "r.io/vllm-runtime:own", "runtimeVersionOverride": "1.1.0"}, None, "1.6.1", "1.1"),
        ({"image": "r.io/vllm-runtime:0.6.1"}, None, "1.6.1", "1.6"),  # it is replaced
        ({"image": "r.io/vllm-runtime:1.2.0", "features": {"mocker": True}}, None, "1.6.1", "1.6"),  # none runs
    ],
)
def test_engines_that_are_searched_are_those_of_the_images(
    spec: dict[str, Any], workers: str | None, installed: str, found: str
) -> None:
    kept = json.dumps({"deploymentOverrides": {"workersImage": workers}}) if workers else None
    request = parse_request(
        {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": "r", "annotations": {ANNOTATION_PRESERVED: kept} if kept else {}},
            "spec": {"model": "m", **spec},
        }
    )
    assert str(engines_release(request, Settings(dynamo=DynamoSettings(version=installed)))) == found


def test_release_is_the_same_object_in_another_process() -> None:
    assert all(pickle.loads(pickle.dumps(release)) is release for release in RELEASES)  # noqa: S301 - our own bytes


def test_variant_of_an_image_is_not_asked_of_the_others(graph_request: Any, make_candidate: Any) -> None:
    request = graph_request(image="r.io/vllm-runtime:1.1.1-cuda13", features={"planner": {}})
    assert images(composed(request, make_candidate())) == {
        "r.io/vllm-runtime:1.1.1-cuda13",
        "r.io/dynamo-planner:1.1.1",
    }
    other = composed(graph_request(image="r.io/vllm-runtime:1.1.1-efa-amd64"), make_candidate(backend=Backend.SGLANG))
    assert images(other) == {"r.io/sglang-runtime:1.1.1"}
    own = composed(graph_request(image="r.io/vllm-runtime:1.1.1-site7"), make_candidate(backend=Backend.SGLANG))
    assert images(own) == {"r.io/sglang-runtime:1.1.1-site7"}


@pytest.mark.parametrize("feature", ["planner", "mocker"])
def test_planner_and_mocker_of_the_oldest_release_are_in_the_images_of_engines(
    graph_request: Any, make_candidate: Any, feature: str
) -> None:
    def used(version: str) -> set[str]:
        request = graph_request(
            image=f"r.io/vllm-runtime:{version}", features={feature: {} if feature == "planner" else True}
        )
        return images(composed(request, make_candidate()))

    assert used("1.0.2") == {"r.io/vllm-runtime:1.0.2"}
    assert "r.io/dynamo-planner:1.1.1" in used("1.1.1")


def test_tag_and_version_that_contradict_each_other_are_a_note(graph_request: Any, make_candidate: Any) -> None:
    request = graph_request(image="r.io/vllm-runtime:1.2.1", runtimeVersionOverride="1.5.0")
    assert composed(request, make_candidate()).notes[0] == (
        "The tag of r.io/vllm-runtime:1.2.1 is another release of Dynamo than spec.runtimeVersionOverride, 1.5.0, whose "
        "flags are written: correct one of them"
    )
    same = graph_request(image="r.io/vllm-runtime:1.5.1", runtimeVersionOverride="1.5.0")
    assert composed(same, make_candidate()).notes == ()


def test_image_of_workers_without_a_version_is_of_the_release_beside_it(
    graph_request: Any, make_candidate: Any
) -> None:
    workers = f"r.io/own@sha256:{'0' * 64}"
    preserved = Preserved(deployment_overrides=DeploymentOverrides(workers_image=workers))
    request = replace(graph_request(image="r.io/dynamo-planner:1.2.1"), preserved=preserved)
    made = composed(request, make_candidate(backend=Backend.SGLANG))
    assert "--cuda-graph-max-bs" in args(made, "worker")
    assert made.notes == (f"{workers} does not say which Dynamo it is; the flags are those of 1.2",)
