"""YAML as Kubernetes reads it, both ways.

kubectl reads manifests with kubernetes-sigs/yaml, whose rules for plain scalars (``goyaml.v2/resolve.go``) are not
PyYAML's: ``1e3`` is a number, ``0o7`` too, ``1:30`` and ``2026-01-01`` are strings, ``y`` is true. `plain` is that
rule; reading follows it, and writing quotes what it would not read back as a string. Duplicate keys are refused, as
kubectl does, and so is what no Kubernetes object can be: too large, too deep, of foreign types.
"""

import json
import math
import re
from collections.abc import Hashable, Iterable
from typing import Any

import yaml

Manifest = dict[str, Any]
"""A Kubernetes object, or a part of one, that we write: its shape is known, and no type says it."""

MAX_BYTES = 1_500_000
"""Largest manifest that is read, aliases written out: what etcd stores in one object by default."""

MAX_NODES = 100_000
"""Most values that a document may hold once its aliases are written out."""

MAX_INTEGER_DIGITS = 300
"""More digits than any float has: such a scalar is a string."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = "!plain"
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = {"0x": 16, "0X": 16, "0b": 2, "0B": 2, "0o": 8, "0O": 8}
_DIGITS = {2: re.compile("[01]+"), 8: re.compile("[0-7]+"), 10: re.compile("[0-9]+"), 16: re.compile("[0-9a-fA-F]+")}
_INT64, _UINT64 = -(2**63), 2**64
_TAGGED = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")


class ManifestError(Exception):
    """The text is no YAML that Kubernetes would take; the message says where and what."""


def inside(value: Any, *path: str) -> Manifest:
    """Return the object at a path of nested objects; an empty one where it is not there, or is something else."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def plain(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text.replace("_", "")
    number = _integer(digits)
    if number is None and _FLOAT.fullmatch(digits):
        number = float(digits)
    return text if number is None or not math.isfinite(number) else number


def _integer(digits: str) -> int | float | None:
    """Read an integer in Go's notation; one beyond 64 bits is a float there."""
    sign, rest = (-1, digits[1:]) if digits[:1] == "-" else (1, digits.removeprefix("+"))
    base = _BASES.get(rest[:2], 8 if len(rest) > 1 and rest[0] == "0" else 10)
    rest = rest[2:] if rest[:2] in _BASES else rest
    if not _DIGITS[base].fullmatch(rest):
        return None
    if len(rest) > MAX_INTEGER_DIGITS:
        return math.inf
    value = sign * int(rest, base)
    return value if _INT64 <= value < _UINT64 else float(value)


def _error(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the differences listed in the module's docstring."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MAX_NODES:
            raise _error(node, f"more than {MAX_NODES} keys once merged")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == f"{_TAG}merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise _error(key_node, f"duplicate or unusable key {key!r}")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_plain(self, node: yaml.ScalarNode) -> object:
        return plain(node.value)

    def construct_tagged(self, node: yaml.ScalarNode) -> object:
        """Construct ``!!int 3`` and the like: the tag must say what the scalar means anyway."""
        value = plain(node.value)
        name = node.tag.removeprefix(_TAG)
        if type(value) not in _TAGGED[name]:
            raise _error(node, f"{node.value!r} is no {name}")
        return value

    def construct_foreign(self, node: yaml.Node) -> object:
        raise _error(node, f"the tag {node.tag.replace(_TAG, '!!')} is not accepted in a manifest")


_Loader.yaml_implicit_resolvers = {
    "<": [(f"{_TAG}merge", re.compile("^<<$"))],
    None: [(_PLAIN, re.compile(""))],  # PyYAML's wildcard
}
_Loader.yaml_constructors = {
    _PLAIN: _Loader.construct_plain,
    **dict.fromkeys((f"{_TAG}{name}" for name in ("int", "float", "bool", "null")), _Loader.construct_tagged),
    **{f"{_TAG}{name}": yaml.SafeLoader.yaml_constructors[f"{_TAG}{name}"] for name in ("str", "seq", "map")},
    None: _Loader.construct_foreign,
}


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what `plain` would not read back as a string, and indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = '"' if _LINE_BREAKS.search(text) else "'" if plain(text) is not text else None
        return self.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def load_documents(text: str) -> list[object]:
    """Decode every non-empty document of a YAML (or JSON) text.

    Raises:
        ManifestError: The text is too large, or is no YAML.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise ManifestError(f"larger than {MAX_BYTES} bytes: no Kubernetes object")
    try:
        documents = _decode(text)
        for document in documents:
            _refuse_expansion(document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ManifestError(f"{where}{error.problem or error.context}") from None
    except RecursionError:
        raise ManifestError("nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError(str(error).splitlines()[0]) from None
    return documents


def _decode(text: str) -> list[object]:
    """Decode JSON as JSON where it is that (tabs, escaped surrogates), everything else as YAML."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [json.loads(text, object_pairs_hook=_distinct, parse_int=plain)]
        except ValueError:
            pass  # a flow collection of YAML, or faulty: the YAML reader knows line and column
    return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate keys: read as YAML, which says where")
    return found


def _refuse_expansion(document: object) -> None:
    """Refuse a document whose aliases multiply (or contain themselves): counting stops at the limit."""
    pending, values, characters = [document], 0, 0
    while pending:
        value = pending.pop()
        values += 1
        if isinstance(value, dict):
            pending.extend(value.values())
            characters += sum(len(key) for key in value if isinstance(key, str))
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str):
            characters += len(value)
        if values > MAX_NODES or characters > MAX_BYTES:
            raise ManifestError(f"more than {MAX_NODES} values (aliases written out): no Kubernetes object")


def dump_documents(documents: Iterable[object]) -> str:
    """Encode documents as YAML, keys in the order given, ``---`` between documents."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
