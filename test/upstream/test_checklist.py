"""The checklist holds: the tests that it names are there, no line is missing, and none says nothing."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from test.upstream.checklist import INVENTORY, SECTIONS
from test.upstream.lines import Line

ROOT = Path(__file__).parents[2]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def tree(path: str) -> ast.Module | None:
    """Return a module of tests as it is written; None where there is no such file."""
    file = ROOT / path
    return ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def names_in(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Return the names of the tests in a module or in a class, as node ids have them."""
    found = {f"{prefix}{node.name}" for node in body if isinstance(node, FUNCTIONS) and node.name.startswith("test_")}
    classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    return found.union(*(names_in(node.body, f"{prefix}{node.name}::") for node in classes))


@cache
def names_of(path: str) -> frozenset[str]:
    module = tree(path)
    return frozenset(names_in(module.body)) if module else frozenset()


@cache
def texts_of(path: str) -> frozenset[str]:
    """Return the strings in a module, and the names of keyword arguments, which dict() makes strings of."""
    nodes = list(ast.walk(module)) if (module := tree(path)) else []
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(strings | {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg})


def lines() -> list[Line]:
    return [line for section in SECTIONS.values() for line in section]


@pytest.mark.parametrize("section", SECTIONS)
def test_tests_that_lines_name_are_there(section: str) -> None:
    named = {test for line in SECTIONS[section] for test in line.covered}
    assert sorted(test for test in named if test.partition("::")[2] not in names_of(test.partition("::")[0])) == []


@pytest.mark.parametrize("section", SECTIONS)
def test_cases_that_lines_name_are_in_the_module_of_their_test(section: str) -> None:
    named = [(line.covered[0].partition("::")[0], line.case) for line in SECTIONS[section] if line.case]
    assert [(path, case) for path, case in named if case not in texts_of(path)] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_line_names_a_test_or_says_why_there_is_none(section: str) -> None:
    for line in SECTIONS[section]:
        assert [bool(line.covered), bool(line.not_applicable), bool(line.not_yet)].count(True) == 1, line.name
        assert len(line.covered) == len(set(line.covered)), line.name
        assert line.covered or not line.case, line.name
        reason = line.not_applicable or line.not_yet
        assert not reason or (reason[0].isupper() and reason.endswith(".") and ". " not in reason), line.name


def test_line_is_there_once() -> None:
    assert [name for name, times in Counter(line.name for line in lines()).items() if times > 1] == []


@pytest.mark.parametrize("section", INVENTORY)
def test_section_has_every_line_of_the_inventory(section: str) -> None:
    assert len(SECTIONS[section]) == INVENTORY[section]


def test_sections_are_those_of_the_inventory() -> None:
    assert list(SECTIONS) == list(INVENTORY)
