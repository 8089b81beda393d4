"""A model that a CPU serves: the one of ``hack.dynamo`` with two small layers, and with weights.

They are random, the same each time. An answer is no language, but it follows from the question: the same question has
the same answer, whichever way it takes through a deployment.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hack.dynamo import model

_CONTEXT = 8192
_SIZES = {
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 128,  # with the heads of attention that AIConfigurator has measured, so that the model can be planned
    "intermediate_size": 256,
    "max_position_embeddings": _CONTEXT,
}
_NUMBERS = {"hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10_000.0, "tie_word_embeddings": False}
_DEVIATION = 0.08
_SEED = 7


def write(folder: Path) -> None:
    """Write the model's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = model.files()
    config = json.loads(files["config.json"]) | _SIZES | _NUMBERS
    for name, text in (files | {"config.json": json.dumps(config)}).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "model.safetensors").write_bytes(_weights(config["vocab_size"]))


def _weights(vocabulary: int) -> bytes:
    """Return the file as the library ``safetensors`` reads it: the length of a header, the header, the numbers."""
    random = np.random.default_rng(_SEED)
    header, numbers = {}, bytearray()
    for name, shape in _shapes(vocabulary):
        is_norm = len(shape) == 1
        values = np.ones(shape) if is_norm else random.normal(0, _DEVIATION, shape)
        start = len(numbers)
        numbers += _bfloat16(values)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [start, len(numbers)]}
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + bytes(numbers)


def _bfloat16(values: np.ndarray) -> bytes:
    """Return the upper halves of 32-bit floats."""
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()


def _shapes(vocabulary: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and shapes of the weights of Qwen3."""
    hidden, inner, head = _SIZES["hidden_size"], _SIZES["intermediate_size"], _SIZES["head_dim"]
    queries, keys = _SIZES["num_attention_heads"] * head, _SIZES["num_key_value_heads"] * head
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for layer in range(_SIZES["num_hidden_layers"]):
        of_layer = {
            "input_layernorm": (hidden,),
            "self_attn.q_proj": (queries, hidden),
            "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden),
            "self_attn.o_proj": (hidden, queries),
            "self_attn.q_norm": (head,),
            "self_attn.k_norm": (head,),
            "post_attention_layernorm": (hidden,),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
        yield from ((f"model.layers.{layer}.{name}.weight", shape) for name, shape in of_layer.items())
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)
