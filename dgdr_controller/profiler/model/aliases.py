"""Models that AIConfigurator 0.12 does not bundle but can estimate: one that it bundles has their shape."""

from collections.abc import Mapping
from types import MappingProxyType

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        # The hub's new names of the bundled repositories, what Meta tuned from them, and what others did without
        # touching vocabulary, context or precision.
        "meta-llama/Llama-3.1-8B": "meta-llama/Meta-Llama-3.1-8B",
        "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
        "meta-llama/Meta-Llama-3.1-8B-Instruct": "meta-llama/Meta-Llama-3.1-8B",
        "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": "meta-llama/Meta-Llama-3.1-8B",
        "nvidia/Llama-3.1-Nemotron-Nano-8B-v1": "meta-llama/Meta-Llama-3.1-8B",
        "meta-llama/Llama-3.1-70B": "meta-llama/Meta-Llama-3.1-70B",
        "meta-llama/Llama-3.1-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B",
        "meta-llama/Llama-3.3-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B",
        "meta-llama/Meta-Llama-3.1-70B-Instruct": "meta-llama/Meta-Llama-3.1-70B",
        "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": "meta-llama/Meta-Llama-3.1-70B",
        "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF": "meta-llama/Meta-Llama-3.1-70B",
        "meta-llama/Llama-3.1-405B": "meta-llama/Meta-Llama-3.1-405B",
        "meta-llama/Llama-3.1-405B-Instruct": "meta-llama/Meta-Llama-3.1-405B",
        "meta-llama/Meta-Llama-3.1-405B-Instruct": "meta-llama/Meta-Llama-3.1-405B",
        # Later weights of the same networks, FP8 in blocks of 128 × 128 as well; V3.1's scales are powers of two.
        "deepseek-ai/DeepSeek-R1-0528": "deepseek-ai/DeepSeek-R1",
        "deepseek-ai/DeepSeek-R1-Zero": "deepseek-ai/DeepSeek-R1",
        "deepseek-ai/DeepSeek-V3-0324": "deepseek-ai/DeepSeek-V3",
        "deepseek-ai/DeepSeek-V3-Base": "deepseek-ai/DeepSeek-V3",
        "deepseek-ai/DeepSeek-V3.1": "deepseek-ai/DeepSeek-V3",
        "deepseek-ai/DeepSeek-V3.1-Base": "deepseek-ai/DeepSeek-V3",
        "deepseek-ai/DeepSeek-V3.1-Terminus": "deepseek-ai/DeepSeek-V3",
        "deepseek-ai/DeepSeek-V3.2-Exp": "deepseek-ai/DeepSeek-V3.2",
        "deepseek-ai/DeepSeek-V3.2-Speciale": "deepseek-ai/DeepSeek-V3.2",
        # Tuned for a longer context: only rotary settings differ, and 40,960 tokens fit. The -Base models are not here:
        # theirs is shorter (32,768) than the bundled one's.
        "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B": "Qwen/Qwen3-8B",
        "Qwen/Qwen3-30B-A3B-Instruct-2507": "Qwen/Qwen3-30B-A3B",
        "Qwen/Qwen3-30B-A3B-Instruct-2507-FP8": "Qwen/Qwen3-30B-A3B-FP8",
        "Qwen/Qwen3-30B-A3B-Thinking-2507": "Qwen/Qwen3-30B-A3B",
        "Qwen/Qwen3-30B-A3B-Thinking-2507-FP8": "Qwen/Qwen3-30B-A3B-FP8",
        "Qwen/Qwen3-235B-A22B-Instruct-2507": "Qwen/Qwen3-235B-A22B",
        "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "Qwen/Qwen3-235B-A22B-FP8",
        "Qwen/Qwen3-235B-A22B-Thinking-2507": "Qwen/Qwen3-235B-A22B",
        "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": "Qwen/Qwen3-235B-A22B-FP8",
        # One network tuned twice; of the 32B, both are bundled, with one config.
        "Qwen/Qwen3-VL-2B-Thinking": "Qwen/Qwen3-VL-2B-Instruct",
        "Qwen/Qwen3-VL-4B-Thinking": "Qwen/Qwen3-VL-4B-Instruct",
        "Qwen/Qwen3-VL-8B-Thinking": "Qwen/Qwen3-VL-8B-Instruct",
        "Qwen/Qwen3-VL-30B-A3B-Thinking": "Qwen/Qwen3-VL-30B-A3B-Instruct",
        "Qwen/Qwen3-VL-235B-A22B-Thinking": "Qwen/Qwen3-VL-235B-A22B-Instruct",
        # Of these, NVIDIA's NVFP4 checkpoints are bundled: they have the target's shape, the originals its precision.
        "Qwen/Qwen3.6-27B": "Qwen/Qwen3.5-27B",
        "Qwen/Qwen3.6-35B-A3B": "Qwen/Qwen3.5-35B-A3B",
        "google/gemma-4-26B-A4B-it": "google/gemma-4-26B-A4B",
        "moonshotai/Kimi-K2.6": "moonshotai/Kimi-K2.5",
        "moonshotai/Kimi-K2.7-Code": "moonshotai/Kimi-K2.5",
        # Earlier weights of the same network, FP8 as well; not M2.7's, whose bundled context is longer.
        "MiniMaxAI/MiniMax-M2": "MiniMaxAI/MiniMax-M2.5",
        "MiniMaxAI/MiniMax-M2.1": "MiniMaxAI/MiniMax-M2.5",
        # Tuned from the bundled models, in their MXFP4.
        "openai/gpt-oss-safeguard-20b": "openai/gpt-oss-20b",
        "openai/gpt-oss-safeguard-120b": "openai/gpt-oss-120b",
    }
)
"""The id of each, as the hub spells it, and the bundled id that stands for it.

The two agree in all that an estimate reads (architecture, layers, widths, heads, vocabulary, experts, quantisation),
and the bundled context is not longer than the model's own.
"""
