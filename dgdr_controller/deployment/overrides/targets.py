"""Which component of the graph a name in an override means.

Names that upstream's generators gave, and ``decode`` of an aggregated graph, still work; a name that means nothing is
refused, because an override that goes nowhere is a mistake that nobody would notice (upstream: #9848).
"""

from dataclasses import dataclass

from dgdr_api.error_list import ErrorList
from dgdr_api.json_values import JsonObject
from dgdr_controller.deployment.fields import part

_WORKER, _PREFILL, _DECODE = ("worker",), ("prefill",), ("decode",)
_EITHER = (*_WORKER, *_DECODE)
_LEGACY: dict[str, tuple[str, tuple[str, ...]]] = {
    "VllmWorker": ("vllm", _WORKER),
    "VllmPrefillWorker": ("vllm", _PREFILL),
    "VllmDecodeWorker": ("vllm", _EITHER),
    "SGLangWorker": ("sglang", _WORKER),
    "SGLangPrefillWorker": ("sglang", _PREFILL),
    "SGLangDecodeWorker": ("sglang", _EITHER),
    "SglangPrefillWorker": ("sglang", _PREFILL),
    "SglangDecodeWorker": ("sglang", _EITHER),
    "TRTLLMWorker": ("trtllm", _WORKER),
    "TRTLLMPrefillWorker": ("trtllm", _PREFILL),
    "TRTLLMDecodeWorker": ("trtllm", _EITHER),
}
"""Older names: the engine that they belong to, and the types of component that they may mean."""
_TYPES = {"worker": _WORKER, "prefill": _PREFILL, "decode": (*_DECODE, *_WORKER)}
"""Our own names, by type: a base deployment may call the component otherwise, and an aggregated worker decodes."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The components that there are.

    Attributes:
        backend: Engine of the graph, or None before it is known.
        types: Type of each component, by its name.
    """

    backend: str | None
    types: dict[str, str]

    @classmethod
    def of(cls, graph: JsonObject) -> "Topology":
        """Return that of a v1beta1 graph."""
        spec = part(graph, "spec")
        components = ErrorList().mappings(spec.get("components"), "")
        backend = spec.get("backendFramework")
        types = {str(component.get("name")): str(component.get("type")) for component in components}
        return cls(backend if isinstance(backend, str) else None, types)

    def named(self, types: tuple[str, ...]) -> str | None:
        """Return the name of the first component of one of these types."""
        return next((name for kind in types for name, own in self.types.items() if own == kind), None)


def replacement(name: str) -> str | None:
    """Return what to write instead of an older name; None when it is none."""
    if name not in _LEGACY:
        return None
    _, types = _LEGACY[name]
    return "worker (aggregated) or decode (disaggregated)" if types == _EITHER else types[0]


def target(name: str, topology: Topology, path: str, errors: ErrorList, warnings: list[str]) -> str | None:
    """Return the name of the component that a name means; None, and a fault, when it means none.

    Args:
        name: What the override says.
        topology: The components that there are.
        path: Path of the name, for messages.
        errors: Takes a name that means nothing.
        warnings: Takes a sentence about a name that has been translated.
    """
    if name in topology.types:
        return name
    backend, types = _LEGACY.get(name, (None, _TYPES.get(name, ())))
    there = ", ".join(topology.types)
    if None not in (backend, topology.backend) and backend != topology.backend:
        errors.invalid(path, name, f"is a component of {backend}; this deployment runs {topology.backend}: {there}")
        return None
    found = topology.named(types)
    if found is None:
        errors.invalid(path, name, f"is not a component of this deployment, which has: {there}")
    elif name in _LEGACY:
        warnings.append(f'{path}: override target "{name}" is deprecated; use {found}')
    else:
        warnings.append(f'{path}: this deployment has no component "{name}"; applied to {found}')
    return found
