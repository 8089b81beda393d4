"""The architectures that engines list in their own sources, read without importing them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from dgdr_api.v1beta1 import Backend
from hack.engines.wheels import RELEASES, sources

_VLLM_TABLES = ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS", "_TRANSFORMERS_SUPPORTED_MODELS")
"""The tables of its registry with models that generate text."""

_NOT_GENERATING = re.compile(
    r"NextN|MTP|Eagle|DFlash|DSpark|Draft|Assistant"  # drafts
    r"|Reward|Classification|Embedding|Bert|XLMRoberta|CLIPModel|Contriever|Bidirectional|VisionModel"  # no text
    r"|^Transformers|^TorchNative|^QuantMixtral|MindSpore|^MistralModel$|^Qwen3Model$"  # no config names them
)
_READ_AS_ANOTHER = {
    **{name: name for name in ("DeepseekOCR2ForCausalLM", "DeepseekV41ForCausalLM", "LongcatCausalLM")},
    **{name: name for name in ("LongcatFlashNgramForCausalLM", "Olmo3ForCausalLM")},
    "DeepseekVLV2ForCausalLM": "class DeepseekVL2Config",
}
"""What SGLang's readers of configs replace by a name of its own models, and what in their code shows that."""


def listed(backend: Backend, release: str) -> frozenset[str]:
    """Return the architectures that generate text and that the engine of a release of Dynamo lists.

    Args:
        backend: vLLM or SGLang; TensorRT-LLM publishes no wheel.
        release: The release, as ``RELEASES`` names it.

    Raises:
        EngineError: Its wheel cannot be had.
    """
    (root,) = sources((RELEASES[release].engine(backend),))
    return frozenset((_of_vllm if backend is Backend.VLLM else _of_sglang)(root))


def _of_vllm(root: Path) -> Iterator[str]:
    for node in _tree(root / "vllm" / "model_executor" / "models" / "registry.py").body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(keys=keys)) if name in _VLLM_TABLES:
                yield from (str(key.value) for key in keys if isinstance(key, ast.Constant))


def _of_sglang(root: Path) -> Iterator[str]:
    package = root / "sglang" / "srt"
    models = sorted((package / "models").rglob("*.py"))
    for node in (node for path in models for node in ast.walk(_tree(path))):
        match node:
            case ast.Assign(targets=[ast.Name(id="EntryClass")], value=value):
                classes = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
                names = [entry.id for entry in classes if isinstance(entry, ast.Name)]
                yield from (name for name in names if not _NOT_GENERATING.search(name))
    others = "".join(_text(path) for path in package.rglob("*.py") if path not in set(models))
    yield from (name for name, shown in _READ_AS_ANOTHER.items() if shown in others)


def _tree(path: Path) -> ast.Module:
    return ast.parse(_text(path))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")  # one of SGLang's files begins with a byte order mark
