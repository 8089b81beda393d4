import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dgdr_api.defaults import Cache
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.families import needs_own_code
from dgdr_controller.profiler.errors import InterruptedRunError, RequestRefusedError
from dgdr_controller.profiler.model.cache import MountedCache
from dgdr_controller.profiler.model.folder import find, missing_weights, read_content, weight_bytes
from dgdr_controller.profiler.model.resolve import find_model
from dgdr_controller.profiler.simulation.messages import Survey

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
    "vocab_size": 100, "max_position_embeddings": 4096, "intermediate_size": 128,
}  # fmt: skip
MOUNT = "/opt/model-cache"


def put(folder: Path, *, weights: int = 0, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    if weights:
        (folder / "model-00001-of-00002.safetensors").write_bytes(b"x" * weights)
        (folder / "model-00002-of-00002.safetensors").write_bytes(b"x" * weights)
    return folder


def hub_cache(root: Path, model: str = "acme/private", revision: str = "abc") -> Path:
    """Lay a model out as the hub's library does: a snapshot of links to blobs."""
    repository = root / f"models--{model.replace('/', '--')}"
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    for name, blob, content in (
        ("config.json", "1", json.dumps(CONFIG).encode()),
        ("model.safetensors", "2", b"x" * 9),
    ):
        (repository / "blobs" / blob).write_bytes(content)
        (snapshot / name).symlink_to(os.path.relpath(repository / "blobs" / blob, snapshot))
    return snapshot


def known(content: Mapping[str, Any] | None = None, simulated_as: str | None = None, reason: str = "") -> Survey:
    databases = {Backend.VLLM: "0.24.0"}
    return Survey("AIConfigurator", "0.12.0", simulated_as, content, reason, ("acme/public",), databases)


def looks(folder: Path | None) -> Survey:
    """A simulator that knows no model by name and every folder."""
    return known(simulated_as=str(folder) if folder else None)


def no_hub(model: str, _: Path) -> int | None:
    raise InterruptedRunError(f"nobody should ask the hub for {model}")


def cache(root: Path | None, path: str | None = None) -> MountedCache:
    return MountedCache(Cache("claim", path, MOUNT), root)


@pytest.mark.parametrize("path", ["models/llm", f"{MOUNT}/models/llm", "models/llm/"])
def test_model_is_where_the_request_says(tmp_path: Path, path: str) -> None:
    put(tmp_path / "models" / "llm", weights=10)
    model, survey = find_model("private", cache(tmp_path, path), looks, tmp_path, no_hub)
    assert (model.name, model.loaded_as, model.weights) == ("private", f"{MOUNT}/models/llm", 20)
    assert survey.simulated_as == model.simulated_as == str(tmp_path / "models" / "llm")
    assert model.config.hidden == 64
    assert "claim" in model.notes[0]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("modles/llm", "no config.json under 'modles/llm' of claim claim; its root has: models/"),
        ("../other", "no config.json under '../other'"),
        ("/elsewhere/llm", "cannot be looked at: it is not under /opt/model-cache"),
    ],
)
def test_wrong_path_is_refused_with_what_is_there(tmp_path: Path, path: str, said: str) -> None:
    put(tmp_path / "root" / "models" / "llm")
    put(tmp_path / "other")
    with pytest.raises(RequestRefusedError, match=f"spec.modelCache.pvcModelPath: .*{said}"):
        find_model("private", cache(tmp_path / "root", path), looks, tmp_path, no_hub)


@pytest.mark.parametrize("below", ["", "hub"])
def test_snapshot_of_links_in_the_hubs_layout_is_found(tmp_path: Path, below: str) -> None:
    snapshot = hub_cache(tmp_path / below)
    model, _ = find_model("acme/private", cache(tmp_path), looks, tmp_path, no_hub)
    assert model.loaded_as == f"{MOUNT}/{snapshot.relative_to(tmp_path)}"
    assert model.weights == 9


@pytest.mark.parametrize(
    "path", ["hub", "hub/models--acme--private", f"{MOUNT}/hub/models--acme--private/snapshots/abc", "."]
)
def test_path_may_lead_to_a_cache_a_repository_or_a_snapshot(tmp_path: Path, path: str) -> None:
    snapshot = hub_cache(tmp_path / "hub")
    model, _ = find_model("acme/private", cache(tmp_path, path), looks, tmp_path, no_hub)
    assert model.loaded_as == f"{MOUNT}/{snapshot.relative_to(tmp_path)}"
    assert model.in_cache


def test_repository_below_other_folders_is_found(tmp_path: Path) -> None:
    snapshot = hub_cache(tmp_path / "team" / "huggingface")
    assert find(tmp_path, "acme/private") == snapshot


def test_model_is_not_looked_for_without_end(tmp_path: Path) -> None:
    put(tmp_path / "a" / "b" / "c" / "private")
    assert find(tmp_path, "acme/private") is None
    put(tmp_path / "a" / "b" / "Private")
    assert find(tmp_path, "acme/private") == tmp_path / "a" / "b" / "Private"


@pytest.mark.parametrize("place", ["acme/private", "private", "", "models/acme/private", "team models/private"])
def test_model_is_found_by_its_name(tmp_path: Path, place: str) -> None:
    folder = put(tmp_path / place)
    assert find(tmp_path, "acme/private") == folder


def test_model_that_is_not_in_the_cache_is_downloaded_and_this_is_a_warning(tmp_path: Path) -> None:
    put(tmp_path / "other", weights=1)
    model, _ = find_model("known", cache(tmp_path), lambda _: known(CONFIG, "known"), tmp_path, no_hub)
    assert (model.loaded_as, model.weights, model.in_cache) == ("known", None, False)
    (warning,) = model.warnings
    assert warning == (
        "spec.modelCache: claim claim does not hold known; its root has: other/. Engines download it from the Hugging "
        "Face hub; put it there, or set spec.modelCache.pvcModelPath to where it is"
    )


def test_model_that_is_neither_in_the_cache_nor_on_the_hub_is_refused_with_both(tmp_path: Path) -> None:
    def download(model: str, _: Path) -> int:
        raise RequestRefusedError(f"Model '{model}' not found on HuggingFace and no modelCache specified")

    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(RequestRefusedError) as caught:
        find_model("acme/private", cache(root), looks, tmp_path, download)
    assert str(caught.value) == (
        "spec.model: Model 'acme/private' not found on HuggingFace; did you mean acme/public?; spec.modelCache: claim "
        "claim does not hold acme/private; its root has: nothing"
    )


def test_weights_that_an_index_names_and_that_are_missing_are_said(tmp_path: Path) -> None:
    put(tmp_path, weights=1)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    with pytest.raises(RequestRefusedError, match=r"1 of 2 files with weights are missing, model-00002-of-00002\.safe"):
        find_model("private", cache(tmp_path), looks, tmp_path, no_hub)
    (tmp_path / "training_args.bin").write_bytes(b"x")  # no weights
    assert missing_weights(tmp_path).startswith("1 of 2 files")
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"x")
    assert missing_weights(tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("training_args.bin", b"x"),
        ("adapter_model.safetensors", b"x"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    ],
)
def test_files_that_are_no_weights_do_not_count(tmp_path: Path, name: str, content: bytes) -> None:
    put(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert missing_weights(tmp_path) == "it has no files with weights"


def test_weights_may_be_in_folders_that_the_index_names(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "m.safetensors").write_bytes(b"x")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "w/m.safetensors"}}))
    assert missing_weights(tmp_path) == ""


def test_copy_that_is_whole_is_preferred(tmp_path: Path) -> None:
    broken = hub_cache(tmp_path)
    (tmp_path / "models--acme--private" / "blobs" / "2").unlink()
    assert find(tmp_path, "acme/private") == broken
    whole = put(tmp_path / "acme" / "private", weights=1)
    assert find(tmp_path, "acme/private") == whole


@pytest.mark.parametrize("reference", [b"\xff\xfe", b"../../elsewhere", b"/etc", b""])
def test_reference_that_is_no_revision_leads_nowhere(tmp_path: Path, reference: bytes) -> None:
    snapshot = hub_cache(tmp_path)
    (tmp_path / "models--acme--private" / "refs" / "main").write_bytes(reference)
    assert find(tmp_path, "acme/private") == snapshot


def test_name_that_leads_out_of_the_cache_is_not_in_it(tmp_path: Path) -> None:
    elsewhere, root = put(tmp_path / "elsewhere", weights=1), tmp_path / "root"
    root.mkdir()
    model, _ = find_model(str(elsewhere), cache(root), lambda _: known(CONFIG, "known"), tmp_path, no_hub)
    assert model.in_cache is False


def test_code_of_another_repository_is_trusted_and_a_warning(tmp_path: Path) -> None:
    put(tmp_path / "private", weights=1, auto_map={"AutoConfig": "acme/other--configuration.Config"})
    model, _ = find_model("private", cache(tmp_path), looks, tmp_path, no_hub)
    assert model.facts.own_code
    (warning,) = model.warnings
    assert "names code of acme/other on the Hugging Face hub; engines that load a model cache do not ask" in warning


@pytest.mark.parametrize(
    ("tokenizer", "own"),
    [
        (
            {"tokenizer_class": "TikTokenTokenizer", "auto_map": {"AutoTokenizer": ["own.TikTokenTokenizer", None]}},
            True,
        ),
        ({"tokenizer_class": "Qwen2Tokenizer", "auto_map": {"AutoTokenizer": ["own.Other", None]}}, False),
        ({"tokenizer_class": "Qwen2Tokenizer"}, False),
        ({}, False),
    ],
)
def test_tokenizer_of_its_own_is_trusted_also_where_transformers_knows_the_model(
    tmp_path: Path, tokenizer: dict[str, Any], *, own: bool
) -> None:
    put(tmp_path / "moonlight", weights=1, model_type="deepseek_v3", auto_map={"AutoConfig": "own.Config"})
    (tmp_path / "moonlight" / "own.py").write_text("")
    (tmp_path / "moonlight" / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    model, _ = find_model("moonlight", cache(tmp_path), looks, tmp_path, no_hub)
    assert model.facts.own_tokenizer is own
    assert needs_own_code(model.facts) is own


@pytest.mark.parametrize(("code", "needed"), [(True, True), (False, False)])
def test_code_of_a_model_in_the_cache_counts_if_it_is_there(tmp_path: Path, *, code: bool, needed: bool) -> None:
    put(tmp_path / "private", weights=1, auto_map={"AutoConfig": "configuration.Config"})
    if code:
        (tmp_path / "private" / "configuration.py").write_text("")
    model, _ = find_model("private", cache(tmp_path), looks, tmp_path, no_hub)
    assert model.facts.own_code is needed


@pytest.mark.parametrize(
    ("code", "kind", "lacking"),
    [
        ({"AutoConfig": "configuration.Config", "AutoModel": "modeling.Model"}, "private", "modeling.py"),
        ({"AutoTokenizer": ["tokenization.Slow", None]}, "private", "tokenization.py"),
        ({"AutoConfig": "configuration.Config"}, "private", None),
        ({"AutoModel": "modeling.Model"}, "llama", None),  # Transformers has its own
        ({"AutoModel": 7}, "private", None),
    ],
)
def test_code_that_is_named_and_not_there_is_a_warning(
    tmp_path: Path, code: dict[str, Any], kind: str, lacking: str | None
) -> None:
    put(tmp_path / "private", weights=1, auto_map=code, model_type=kind)
    (tmp_path / "private" / "configuration.py").write_text("")
    model, _ = find_model("private", cache(tmp_path), looks, tmp_path, no_hub)
    assert [f"names code in {lacking}, which is not there" in warning for warning in model.warnings] == (
        [True] if lacking else []
    )


def test_code_of_a_tokenizer_counts(tmp_path: Path) -> None:
    put(tmp_path / "private", weights=1, model_type="kimi_k2")
    tokenizer = {"auto_map": {"AutoTokenizer": ["tokenization_kimi.TikTokenTokenizer", None]}}
    (tmp_path / "private" / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    model, _ = find_model("private", cache(tmp_path), looks, tmp_path, no_hub)
    (warning,) = model.warnings
    assert "names code in tokenization_kimi.py" in warning


@pytest.mark.parametrize("path", [None, "models/llm"])
def test_model_without_weights_is_refused(tmp_path: Path, path: str | None) -> None:
    put(tmp_path / (path or "private"))
    with pytest.raises(RequestRefusedError, match="it has no files with weights; engines could not load it"):
        find_model("private", cache(tmp_path, path), looks, tmp_path, no_hub)


def test_snapshot_whose_blobs_are_gone_is_not_there(tmp_path: Path) -> None:
    hub_cache(tmp_path)
    (tmp_path / "models--acme--private" / "blobs" / "1").unlink()
    assert find(tmp_path, "acme/private") is None


def test_cache_that_cannot_be_looked_into_is_loaded_from_all_the_same(tmp_path: Path) -> None:
    model, _ = find_model("known", cache(None, "a/b"), lambda _: known(CONFIG, "known"), tmp_path, no_hub)
    assert model.loaded_as == f"{MOUNT}/a/b"


def test_name_that_the_simulator_spells_otherwise_is_loaded_by_that_name(tmp_path: Path) -> None:
    model, _ = find_model("ACME/Known", None, lambda _: known(CONFIG, "acme/known"), tmp_path, no_hub)
    assert (model.loaded_as, model.simulated_as, model.notes) == ("acme/known", "acme/known", ())


def test_model_of_the_same_shape_is_loaded_by_its_own_name_and_this_is_noted(tmp_path: Path) -> None:
    model, _ = find_model("acme/tuned", None, lambda _: known(CONFIG, "acme/known"), tmp_path, no_hub)
    assert (model.loaded_as, model.simulated_as) == ("acme/tuned", "acme/known")
    assert model.notes == ("Simulated as acme/known, which has the same shape.",)


def test_model_that_nobody_knows_is_asked_of_the_hub(tmp_path: Path) -> None:
    def download(model: str, folder: Path) -> int:
        assert model == "acme/new"
        put(folder)
        return 77

    model, _ = find_model("acme/new", None, looks, tmp_path, download)
    assert (model.loaded_as, model.simulated_as, model.weights) == ("acme/new", str(tmp_path), 77)


def test_refusal_of_the_hub_comes_with_names_that_are_alike(tmp_path: Path) -> None:
    def download(model: str, _: Path) -> int:
        raise RequestRefusedError(f"Model '{model}' not found on HuggingFace and no modelCache specified")

    with pytest.raises(RequestRefusedError, match=r"^spec.model: Model 'x' not found .* did you mean acme/public\?$"):
        find_model("x", None, looks, tmp_path, download)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not JSON"), ("[]", "not an object"), ("[" * 100_000, "not JSON"), (" " * (5 * 2**20), "longer than")],
)
def test_config_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(RequestRefusedError, match=f"config.json .*{said}"):
        find_model("private", cache(tmp_path), looks, tmp_path, no_hub)


def test_files_that_cannot_be_looked_at_are_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)

    def refuse(self: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)  # nothing is forbidden to root, as which these tests may run
    with pytest.raises(RequestRefusedError, match="its files cannot be read: Permission denied"):
        find_model("private", cache(tmp_path), looks, tmp_path, no_hub)


def test_quantisation_by_modelopt_is_read_beside_the_config(tmp_path: Path) -> None:
    put(tmp_path)
    (tmp_path / "hf_quant_config.json").write_text('{"quantization": {"quant_algo": "NVFP4"}}')
    assert read_content(tmp_path)["quantization_config"] == {"quant_algo": "NVFP4"}


def test_weights_are_those_of_one_format_without_copies(tmp_path: Path) -> None:
    assert weight_bytes(tmp_path) is None
    for name, size in (
        ("a.safetensors", 5),
        ("b.safetensors", 6),
        ("pytorch_model.bin", 11),
        ("consolidated.safetensors", 11),
    ):
        (tmp_path / name).write_bytes(b"x" * size)
    assert weight_bytes(tmp_path) == 11
