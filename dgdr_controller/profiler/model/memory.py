"""How much memory a model takes on each GPU: weights, KV cache, and what an engine needs beside them.

Counts of parameters follow from the shapes of a transformer's matrices; they are within 3 % of what the vendors state
(test/profiler/model). Engines' own needs are rules of thumb, rounded up: a deployment by memory fit must start, not be
tight.
"""

import math
import re
from dataclasses import dataclass

from dgdr_controller.profiler.model.config import ModelConfig

GIB = 2**30
USABLE_VRAM = 0.92
"""Share of a GPU's memory that an engine may fill: vLLM's default, the largest of the three."""
_ENGINE_BYTES = 2 * GIB
"""CUDA context, communication buffers and captured graphs of one GPU."""
_ACTIVATION_COPIES = 6
"""Copies of a step's activations that live at once: residual, normed, queries to values, both halves of the gate."""
_BILLIONS = re.compile(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)[Bb](?![A-Za-z0-9])")
_UNQUANTISED_BYTES = 2
_KV_BYTES = 2
"""Of one number in the KV cache, unless it is quantised."""


def parameters(config: ModelConfig) -> tuple[int, int]:
    """Return how many parameters the layers' matrices have, and how many the embeddings."""
    dense = 3 * config.hidden * config.intermediate
    expert = 3 * config.hidden * config.expert_intermediate
    experts = (config.experts + config.shared_experts) * expert + config.hidden * config.experts
    feed_forward = (config.layers - config.moe_layers) * dense + config.moe_layers * experts
    return config.layers * _attention(config) + feed_forward, config.vocab * config.hidden * (1 if config.tied else 2)


def _attention(config: ModelConfig) -> int:
    """Return the parameters of one layer's attention."""
    hidden, heads, mla = config.hidden, config.heads, config.mla
    if mla is None:
        return 2 * hidden * config.head_dim * (heads + config.kv_heads)
    query = heads * (mla.nope + mla.rope)
    queries = hidden * mla.q_rank + mla.q_rank * query if mla.q_rank else hidden * query
    keys_values = hidden * (mla.kv_rank + mla.rope) + mla.kv_rank * heads * (mla.nope + mla.value)
    return queries + keys_values + heads * mla.value * hidden


def weight_bytes(config: ModelConfig) -> int:
    """Estimate the bytes of the weights: quantised layers, embeddings in 16 bits."""
    layers, embeddings = parameters(config)
    return math.ceil(layers * config.bytes_per_weight + embeddings * max(2.0, config.bytes_per_weight))


def weight_bytes_by_name(name: str, config: ModelConfig) -> int | None:
    """Estimate the bytes of the weights from the largest count in a model's name (``120B``); None without one.

    For models whose layers are not all transformers. Not all of the weights of a quantised one are: a quarter more.
    """
    counts = [float(count) for count in _BILLIONS.findall(name)]
    if not counts:
        return None
    quantised = config.bytes_per_weight < _UNQUANTISED_BYTES
    return math.ceil(max(counts) * 1e9 * config.bytes_per_weight * (1.25 if quantised else 1))


def kv_bytes_per_token(config: ModelConfig, tp: int, pp: int) -> int:
    """Return the bytes that one token takes in the KV cache of one GPU.

    Heads are spread over the tensor parallel ranks, and repeated where there are more ranks than heads; the latent
    vector of MLA is on every rank. Layers that keep less (sliding windows, linear attention) count as full ones.
    """
    layers = math.ceil(config.layers / pp)
    if config.mla is not None:
        return layers * (config.mla.kv_rank + config.mla.rope) * _KV_BYTES
    return layers * 2 * math.ceil(config.kv_heads / tp) * config.head_dim * _KV_BYTES


@dataclass(frozen=True, slots=True)
class Fit:
    """What one GPU of a worker holds, in bytes.

    Attributes:
        usable: What an engine may fill.
        weights: Its share of the weights.
        reserve: What the engine needs beside weights and cache.
        per_token: One token in the KV cache.
    """

    usable: int
    weights: int
    reserve: int
    per_token: int

    @property
    def tokens(self) -> int:
        """Tokens that the KV cache has room for; 0 where even the weights do not fit."""
        return max(0, self.usable - self.weights - self.reserve) // self.per_token

    @property
    def needed_gib(self) -> float:
        """Memory without any KV cache, in GiB."""
        return (self.weights + self.reserve) / GIB


def fit(config: ModelConfig, weights: int, vram_mib: int, *, tp: int, pp: int, step_tokens: int) -> Fit:
    """Work out what one GPU of a worker holds.

    Args:
        config: The model.
        weights: Bytes of all its weights.
        vram_mib: Memory of one GPU in MiB.
        tp: Tensor parallel size.
        pp: Pipeline parallel size.
        step_tokens: Tokens of one engine step at most.
    """
    inner = config.expert_intermediate if config.experts else config.intermediate
    activations = step_tokens * (config.hidden + max(inner, config.hidden) // tp) * 2 * _ACTIVATION_COPIES
    return Fit(
        usable=math.floor(vram_mib * 2**20 * USABLE_VRAM),
        weights=math.ceil(weights / (tp * pp)),
        reserve=_ENGINE_BYTES + activations,
        per_token=kv_bytes_per_token(config, tp, pp),
    )
