"""The least compute capability that engines ask for, read in their own sources without importing them."""

import ast
from collections.abc import Iterator

from dgdr_api.v1beta1 import Backend
from hack.engines.wheels import RELEASES, sources

_FOLDERS = {
    Backend.VLLM: "vllm/model_executor/layers/quantization",
    Backend.SGLANG: "sglang/srt/layers/quantization",
}
_METHOD = "get_min_capability"


def least(backend: Backend, release: str) -> dict[str, tuple[int, int]]:
    """Return the least compute capability of each way to quantise weights, by the name of its class.

    Args:
        backend: vLLM or SGLang; TensorRT-LLM publishes no wheel.
        release: The release, as ``RELEASES`` names it.

    Raises:
        EngineError: Its wheel cannot be had.
    """
    (root,) = sources((RELEASES[release].engine(backend),))
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (root / _FOLDERS[backend]).rglob("*.py"))
    return {name: (number // 10, number % 10) for tree in trees for name, number in _numbers(tree)}


def _numbers(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == _METHOD:
                # Other platforms leave first; of a choice the last is what is not for a special case.
                last = method.body[-1]
                value = last.value if isinstance(last, ast.Return) else None
                value = value.orelse if isinstance(value, ast.IfExp) else value
                if isinstance(value, ast.Constant) and isinstance(value.value, int):
                    yield node.name, value.value
