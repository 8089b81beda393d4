"""Keeps private words out of identifiers: an engineer who knows Kubernetes reads this code without a dictionary.

``python -m hack.words`` names each identifier that has a standard term; see docs/reference/glossary.md.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("api", "dgdr_controller", "hack")
TESTS = ("test", "e2e")
STANDARD = {
    "world": "observed (ObservedState)",
    "statement": "condition",
    "stated": "set_conditions",
    "hand_over": "transfer_ownership",
    "pace": "throttle",
    "overlay_cache": "mutation_cache",
    "told": "previous, message, or the name of the thing",
    "said": "written, message, or the name of the thing",
    "anew": "relist, reset or restart",
    "given": "configured, or the name of the thing",
    "it": "the name of the thing",
    "faults": "errors",
    "hindrance": "rejection",
    "place": "path, location, mapping, or the name of the thing",
    "places": "paths, locations, mappings",
    "remarks": "warnings",
    "remarked": "warnings",
    "suspended_too": "boottime",
    "promptness": "ttft",
    "thrift": "gpus",
    "each": "the name of the thing",
}
ANYWHERE = frozenset(("world", "anew", "hindrance", "remarks", "remarked", "promptness", "thrift", "told", "said"))
"""Words that have no place in a compound either."""
IN_TESTS = {word: STANDARD[word] for word in ("each",)}
"""Words that have no place in a test either."""


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield what a module names, with the line: classes, functions, arguments, variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case _:
                pass


def private_words(source: str, terms: Mapping[str, str] = STANDARD) -> Iterator[tuple[int, str, str]]:
    """Yield line, identifier and standard term of each identifier that is a private word, or has one of `ANYWHERE`."""
    for line, name in sorted(set(identifiers(ast.parse(source)))):
        whole = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).strip("_").lower()
        parts = (part for part in whole.split("_") if part in ANYWHERE)
        if standard := terms.get(whole) or terms.get(next(parts, "")):
            yield line, name, standard


def main() -> int:
    """Name every private word; exit 1 if there is one."""
    found = 0
    for folder in (*FOLDERS, *TESTS):
        terms = IN_TESTS if folder in TESTS else STANDARD
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, name, standard in private_words(path.read_text(encoding="utf-8"), terms):
                print(f"{path.relative_to(ROOT)}:{line}: {name}: use {standard}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
