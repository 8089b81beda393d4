"""What a model's ``config.json`` says, as far as memory and parallelism depend on it.

Sizes are those of the text model; in a multimodal model they lie under ``text_config``. Names differ between families
of models: `_NAMES` lists them in the order in which they are looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgdr_controller.profiler.model.context import DEFAULTS

_NAMES: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "multi_query_group_num"),
    "head_dim": ("head_dim",),
    "intermediate": ("intermediate_size_mlp", "intermediate_size", "ffn_hidden_size", "n_inner"),
    "vocab": ("vocab_size",),
    "context": ("max_position_embeddings", "model_max_length", "max_seq_len", "seq_length", "n_positions"),
    "experts": ("num_local_experts", "n_routed_experts", "num_experts"),
    "expert_intermediate": ("moe_intermediate_size", "expert_intermediate_size", "intermediate_size"),
    "experts_per_token": ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "top_k_experts"),
    "shared_experts": ("n_shared_experts",),
    "dense_layers": ("first_k_dense_replace",),
    "moe_step": ("interleave_moe_layer_step", "decoder_sparse_step"),
    "kv_lora_rank": ("kv_lora_rank",),
    "q_lora_rank": ("q_lora_rank",),
    "rope_head_dim": ("qk_rope_head_dim",),
    "nope_head_dim": ("qk_nope_head_dim",),
    "v_head_dim": ("v_head_dim",),
    "draft_layers": ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules"),
}
_REQUIRED = ("layers", "hidden", "heads", "vocab")
_UNBOUNDED = 2**31
"""Stands for a context whose end is not said: some models have no table of positions that could end."""
_VISION_LAYERS = ("num_hidden_layers", "depth", "num_layers", "vt_num_hidden_layers")
_VISION_HIDDEN = ("hidden_size", "width", "embed_dim", "vt_hidden_size")
_LIST = "layers_block_type"
"""Says of each layer what it is, where their number is not said."""
_NOT_PLAIN = frozenset(
    {"kv_lora_rank", "sliding_window", "linear_num_key_heads", "mamba_d_state", "mamba_head_dim", "ssm_state_size"}
)
"""Keys that say: the cache is not one key and one value for each token and layer."""
_MIXED = frozenset({"hybrid_override_pattern", "block_configs", "layers_block_type", "num_local_layers"})
"""Keys of configs whose layers differ from each other in ways that are not read here."""
_LARGEST = 2**40
"""No size in a config is larger: more is nonsense, and would only make sums that mean nothing."""

_BYTES_OF_QUANTISATION: tuple[tuple[tuple[str, ...], float], ...] = (
    (("mxfp4",), 0.53125),  # 4 bits and an 8-bit scale for each 32
    (("nvfp4", "fp4"), 0.5625),  # 4 bits and an 8-bit scale for each 16
    (("awq", "gptq", "int4", "w4"), 0.53125),  # 4 bits and a 16-bit scale, usually for each 128, with zero points
    (("fp8", "float8", "float-quantized", "int8", "int-quantized", "w8", "mixed_precision"), 1.0),
)
"""Bytes of one weight by what a quantisation calls itself; the first that fits."""
_BYTES_OF_DTYPE = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "float8_e4m3fn": 1.0}


class ConfigError(ValueError):
    """A config does not say what is needed."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a config says.

    Attributes:
        architecture: Name of the class that engines load it with.
        layers: Transformer layers.
        hidden: Size of the residual stream.
        heads: Attention heads.
        kv_heads: Heads of keys and values.
        head_dim: Size of one head.
        intermediate: Inner size of a dense layer's feed-forward part; 0: there is none.
        vocab: Tokens.
        context: Longest sequence in tokens; very large where the config names none.
        experts: Experts that tokens are routed to, of each layer; 0: not a mixture of experts.
        expert_intermediate: Inner size of one expert.
        shared_experts: Experts that every token goes through.
        moe_layers: Layers with experts.
        mixed: Whether layers differ in ways that are not read here, so that their sizes do not add up to the model's.
        mla: Ranks and head sizes of multi-head latent attention, else None.
        plain_cache: Whether the KV cache is one key and one value for each token, layer and head.
        tied: Whether input and output embedding are one.
        bytes_per_weight: Of the layers' matrices.
        block: Side of the square blocks that weights are quantised in; 1: none.
        quantization: How weights are quantised, as engines call it; empty: they are not.
        draft_layers: Layers that predict further tokens (multi-token prediction); 0: it has none.
        own_code: Whether it names code of its own (``auto_map``), which engines run only when told to.
        model_type: What it calls the model's kind.
        vision: Its encoder of images, else None.
    """

    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    context: int
    experts: int
    expert_intermediate: int
    shared_experts: int
    moe_layers: int
    mixed: bool
    mla: "LatentAttention | None"
    plain_cache: bool
    tied: bool
    bytes_per_weight: float
    block: int
    quantization: str
    draft_layers: int
    own_code: bool
    model_type: str
    vision: "Vision | None"


@dataclass(frozen=True, slots=True)
class Vision:
    """An encoder of images: its layers, and the size of its residual stream; 0 where the config does not say."""

    layers: int
    hidden: int


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """Multi-head latent attention: what a token leaves in the cache is a vector of ``kv_rank + rope`` numbers.

    Attributes:
        kv_rank: Size of the compressed keys and values.
        q_rank: Size of the compressed queries; 0: they are not.
        rope: Size of the part of a head that carries the position.
        nope: Size of the part that does not.
        value: Size of a head's value.
    """

    kv_rank: int
    q_rank: int
    rope: int
    nope: int
    value: int


def read_config(content: Mapping[str, Any]) -> ModelConfig:
    """Read a config.

    Raises:
        ConfigError: Something that is needed is missing, or not a number that makes sense.
    """
    architectures = content.get("architectures")
    if not isinstance(architectures, list) or not architectures or not isinstance(architectures[0], str):
        raise ConfigError("config.json names no architecture")
    text = content.get("text_config") or content.get("llm_config")
    parts = [part for part in (text, content) if isinstance(part, Mapping)]
    sizes = {name: _size(parts, keys) for name, keys in _NAMES.items()}
    sizes["layers"] = sizes["layers"] or next((len(v) for part in parts if isinstance(v := part.get(_LIST), list)), 0)
    if missing := [_NAMES[name][0] for name in _REQUIRED if not sizes[name]]:
        raise ConfigError(f"config.json does not say {', '.join(missing)}")
    _check_consistent(sizes)
    kinds = (str(part.get("model_type") or "") for part in parts)
    sizes["context"] = sizes["context"] or next((DEFAULTS[kind] for kind in kinds if kind in DEFAULTS), _UNBOUNDED)
    quantisation = _quantisation(parts)
    return ModelConfig(
        architecture=architectures[0],
        **{name: sizes[name] for name in ("layers", "hidden", "heads", "intermediate", "vocab", "context")},
        **{name: sizes[name] for name in ("experts", "expert_intermediate", "shared_experts")},
        moe_layers=(sizes["layers"] - sizes["dense_layers"]) // (sizes["moe_step"] or 1) if sizes["experts"] else 0,
        mixed=any(part.get(key) for part in parts for key in _MIXED),
        kv_heads=sizes["kv_heads"] or sizes["heads"],
        head_dim=sizes["head_dim"] or sizes["hidden"] // sizes["heads"],
        mla=_latent(sizes),
        plain_cache=not any(part.get(key) for part in parts for key in _NOT_PLAIN),
        tied=any(part.get("tie_word_embeddings") is True for part in parts),
        bytes_per_weight=_bytes_per_weight(parts, quantisation),
        block=_block(quantisation),
        quantization=_method(quantisation),
        draft_layers=sizes["draft_layers"],
        own_code=any(isinstance(code := part.get("auto_map"), Mapping) and bool(code) for part in parts),
        model_type=str(content.get("model_type") or ""),
        vision=_vision(content.get("vision_config")),
    )


def _vision(content: object) -> "Vision | None":
    if not isinstance(content, Mapping):
        return None
    try:
        return Vision(_size([content], _VISION_LAYERS), _size([content], _VISION_HIDDEN))
    except ConfigError:  # only a reserve of memory depends on it
        return Vision(0, 0)


def _quantisation(parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what is said about quantisation, flat; modelopt and compressed-tensors say the width further inside."""
    found = next((q for part in parts if isinstance(q := part.get("quantization_config"), Mapping)), {})
    groups = found.get("config_groups")
    group: object = next(iter(groups.values()), {}) if isinstance(groups, Mapping) else {}
    weights = group.get("weights") if isinstance(group, Mapping) else None
    width = {"bits": weights.get("num_bits")} if isinstance(weights, Mapping) else {}
    return {**width, **found}


def _size(parts: list[Mapping[str, Any]], keys: tuple[str, ...]) -> int:
    """Return the first of some numbers that is there; 0 where none is."""
    for key in keys:
        for part in parts:
            value = part.get(key)
            if value is None or isinstance(value, (bool, list)):
                continue
            if not isinstance(value, int) or not 0 <= value < _LARGEST:
                raise ConfigError(f"config.json: {key} is {value!r}")
            return value
    return 0


def _check_consistent(sizes: Mapping[str, int]) -> None:
    """Refuse sizes that contradict each other, which engines refuse when they load the model.

    Raises:
        ConfigError: Two of them do.
    """
    heads, kv_heads, hidden = sizes["heads"], sizes["kv_heads"], sizes["hidden"]
    if kv_heads and heads % kv_heads:
        raise ConfigError(f"config.json: {heads} attention heads cannot share {kv_heads} key-value heads")
    if hidden % heads and not sizes["head_dim"] and not sizes["kv_lora_rank"]:
        raise ConfigError(
            f"config.json: hidden size {hidden} is not a multiple of {heads} heads, and head_dim is missing"
        )
    if sizes["experts"] and sizes["experts_per_token"] > sizes["experts"]:
        raise ConfigError(
            f"config.json: a token goes to {sizes['experts_per_token']} experts, but there are {sizes['experts']}"
        )


def _latent(sizes: Mapping[str, int]) -> LatentAttention | None:
    if not sizes["kv_lora_rank"]:
        return None
    return LatentAttention(
        kv_rank=sizes["kv_lora_rank"],
        q_rank=sizes["q_lora_rank"],
        rope=sizes["rope_head_dim"],
        nope=sizes["nope_head_dim"] or sizes["head_dim"],
        value=sizes["v_head_dim"] or sizes["nope_head_dim"],
    )


def _bytes_per_weight(parts: list[Mapping[str, Any]], quantisation: Mapping[str, Any]) -> float:
    if quantisation:
        method = " ".join(str(quantisation.get(key, "")) for key in ("quant_method", "quant_algo", "fmt", "format"))
        method = f"{method} {'int4' if quantisation.get('bits') == 4 else ''}".lower()  # noqa: PLR2004 - the width itself
        for names, size in _BYTES_OF_QUANTISATION:
            if any(name in method for name in names):
                return size
    dtype = next((d for part in parts for d in (part.get("torch_dtype"), part.get("dtype")) if d), "bfloat16")
    return _BYTES_OF_DTYPE.get(str(dtype).removeprefix("torch."), 2.0)


def _method(quantisation: Mapping[str, Any]) -> str:
    """Return what engines call a quantisation: ModelOpt's by the format, which decides how they run it."""
    method = str(quantisation.get("quant_method") or "").lower()
    algorithm = str(quantisation.get("quant_algo") or "").upper()
    if not algorithm:
        return method or ("modelopt" if quantisation else "")
    for format_ in ("MIXED", "MXFP8", "FP4", "FP8"):
        if format_ in algorithm:
            return f"modelopt_{format_.lower()}"
    return method or "modelopt"


def _block(quantisation: Mapping[str, Any]) -> int:
    """Return the block that a slice of a matrix must hold whole, else engines refuse the tensor parallel size."""
    block = quantisation.get("weight_block_size")
    if isinstance(block, list) and block and all(isinstance(side, int) and 0 < side < _LARGEST for side in block):
        return int(max(block))
    return 1
