"""Every sentence that users read, in one file: conditions, events, warnings, errors, help and log messages.

They are collected from the source: texts of at least three words that are no documentation, with what is filled in
shown as ``{name}``. The file is reviewed as a whole; `make check` fails where it is stale.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_FOLDERS = ("api/dgdr_api", "dgdr_controller")
_SKIPPED = ("dgdr_controller/runtime/testing/", "dgdr_controller/results/report.py")
"""Sentences of a scripted API server, and parts of a page."""
_LEAST_WORDS = 3
_LONGEST = 1000
"""Longer ones are lists of names."""
_WORD = re.compile(r"[A-Za-z]{2,}")
_HEAD = "Sentences that users read, by module: made from the source by 'make generate', to be read as a whole.\n\n"


def collect(root: Path) -> str:
    """Return the sentences of a checkout, module by module, in the order of the source."""
    paths = (path for folder in _FOLDERS for path in sorted((root / folder).rglob("*.py")))
    parts = (_module(path, str(path.relative_to(root))) for path in paths)
    return _HEAD + "\n".join(filter(None, parts))


def _module(path: Path, name: str) -> str:
    sentences = [] if name.startswith(_SKIPPED) else sorted(_sentences(ast.parse(path.read_text(encoding="utf-8"))))
    texts = dict.fromkeys(text.replace("\n", "\\n") for _, _, text in sentences)
    return "".join(f"{line}\n" for line in (f"# {name}", *texts)) if texts else ""


def _sentences(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """Yield the sentences of a module with their line and column."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = _text(node)
        if text and id(node) not in documentation | parts and _is_sentence(text) and isinstance(node, ast.expr):
            yield node.lineno, node.col_offset, text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else ast.unparse(ast.JoinedStr([part]))[2:-1]
            for part in node.values
        )
    return ""


def _is_sentence(text: str) -> bool:
    outside = re.sub(r"\{[^}]*\}", " ", text)
    return " " in text.strip() and len(_WORD.findall(outside)) >= _LEAST_WORDS and len(text) <= _LONGEST
