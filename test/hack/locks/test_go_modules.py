"""Go itself refuses a build with a checksum that go.sum lacks; this sees it without Go, and before somebody builds."""

import re
from pathlib import Path

import pytest
from packaging.version import Version

from hack.cluster.layout import CHECKOUT
from hack.locks import files

MODULES = sorted(path.parent for path in CHECKOUT.joinpath("hack").rglob("go.mod"))
REQUIREMENT = re.compile(r"^(?:require )?\s*([\w.~/-]+\.[\w.~/-]+) (v\S+)(?: //.*)?$", re.MULTILINE)
REPLACEMENT = re.compile(r"^(?:replace )?\s*(\S+)(?: v\S+)? => (\S+) (v\S+)$", re.MULTILINE)


def required(module: Path) -> set[str]:
    """Return what a module is built from, as go.sum names it: its requirements, replaced where they are."""
    text = (module / "go.mod").read_text()
    replaced = {old: f"{new} {version}" for old, new, version in REPLACEMENT.findall(text)}
    return {replaced.get(path, f"{path} {version}") for path, version in REQUIREMENT.findall(text)}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_go_module_has_a_checksum_for_each_requirement(module: Path) -> None:
    wanted = required(module)
    sums = module / "go.sum"
    lines = sums.read_text().splitlines() if sums.exists() else []
    pinned = {line.rpartition("/go.mod h1:")[0] for line in lines if "/go.mod h1:" in line}
    assert wanted <= pinned


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_go_module_is_built_by_the_pinned_go_and_by_none_that_is_fetched(module: Path) -> None:
    text = (module / "go.mod").read_text()
    (named,) = re.findall(r"^go (\S+)$", text, re.MULTILINE)
    (pin,) = files.read(CHECKOUT / "requirements" / "go.txt")
    assert Version(named) <= Version(pin.version)
    assert "toolchain" not in text


def test_go_modules_with_requirements_are_seen() -> None:
    assert {module.name for module in MODULES if required(module)} >= {"kubernetes", "webhook", "kind_tool"}
    assert "k8s.io/kubectl v0.36.3" in required(CHECKOUT / "hack" / "cluster" / "kubernetes")
