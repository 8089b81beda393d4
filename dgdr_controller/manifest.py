"""YAML as Kubernetes reads it, both ways.

PyYAML decodes YAML 1.1, like kubectl, but for four things that this module mends: duplicate keys are refused
(kubectl refuses them too; PyYAML keeps the last), dates stay strings, ``1e3`` is a number, and aliases may not
expand to more than `MAX_NODES`.
"""

import re
from collections.abc import Hashable, Iterable
from typing import Any

import yaml

MAX_BYTES = 1_500_000
"""Largest manifest that is read: what etcd stores in one object by default."""

MAX_NODES = 100_000
"""Most values that a document may hold once its aliases are written out."""

_FLOAT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class ManifestError(Exception):
    """The text is no YAML that Kubernetes would take; the message says where and what."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with the differences listed in the module's docstring."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"duplicate or unusable key {key!r}", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what `_Loader` would not read back as a string, and indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT.pattern})$"), list("-+.0123456789")
    )


def load_documents(text: str) -> list[object]:
    """Decode every non-empty document of a YAML (or JSON) text.

    Raises:
        ManifestError: The text is too large, or is no YAML.
    """
    if len(text) > MAX_BYTES:
        raise ManifestError(f"larger than {MAX_BYTES} bytes: no Kubernetes object")
    try:
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ManifestError(f"{where}{error.problem or error.context}") from None
    except RecursionError:
        raise ManifestError("nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(str(error).splitlines()[0]) from None
    _refuse_expansion(documents)
    return documents


def _refuse_expansion(documents: list[object]) -> None:
    """Refuse documents whose aliases multiply (or contain themselves): counting stops at the limit."""
    pending, count = list(documents), 0
    while pending:
        value = pending.pop()
        count += 1
        if count > MAX_NODES:
            raise ManifestError(f"more than {MAX_NODES} values (aliases written out): no Kubernetes object")
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def dump_documents(documents: Iterable[object]) -> str:
    """Encode documents as YAML, keys in the order given, ``---`` between documents."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
