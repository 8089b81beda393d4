import json
from pathlib import Path

import numpy as np

from hack.dynamo import model
from hack.dynamo.timing import Timing


def test_every_byte_and_every_merge_is_a_token() -> None:
    tokenizer = json.loads(model.files()["tokenizer.json"])["model"]
    vocabulary = tokenizer["vocab"]
    assert sorted(vocabulary.values()) == list(range(4096))
    assert len([word for word in vocabulary if len(word) == 1]) == 256
    known = {word for word in vocabulary if len(word) == 1}
    for first, second in tokenizer["merges"]:
        assert {first, second} <= known  # a merge of what is not there yet would never happen
        known.add(first + second)
    assert len(known) == 4096 - 3


def test_model_files_agree() -> None:
    files = {name: json.loads(text) for name, text in model.files().items()}
    assert set(files) == {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
    special = {token["content"]: token["id"] for token in files["tokenizer.json"]["added_tokens"]}
    assert special[files["tokenizer_config.json"]["eos_token"]] == files["config.json"]["eos_token_id"]
    assert files["generation_config.json"]["eos_token_id"] == files["config.json"]["eos_token_id"]
    assert files["config.json"]["vocab_size"] == 4096
    assert sum(map(len, model.files().values())) < 512 * 1024  # in a ConfigMap, which takes 1 MiB


def test_surface_says_what_the_times_say(tmp_path: Path) -> None:
    timing = Timing(prefill_ms=20, prefill_ms_per_token=0.05, decode_ms=12, decode_ms_per_token=1e-4)
    (tmp_path / "s.npz").write_bytes(timing.surface())
    with np.load(tmp_path / "s.npz") as surface:
        assert np.interp(1000, surface["prefill_isl"], surface["prefill_ttft_ms"]) == 70
        cached, contexts, decode = (surface[f"decode_{n}"] for n in ("active_kv_tokens", "context_length", "itl"))
    assert decode.shape == (len(cached), len(contexts))
    assert [np.interp(50_000, cached, column) for column in decode.T] == [17, 17]
    assert timing.surface() == (tmp_path / "s.npz").read_bytes()  # else every reconcile would change the pods' files


def test_gpus_are_faster_the_more_there_are() -> None:
    assert Timing.of(8).decode_ms < Timing.of(2).decode_ms < Timing.of(1).decode_ms == 15.5
