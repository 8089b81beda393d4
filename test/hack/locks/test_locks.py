import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster.layout import CHECKOUT
from hack.locks import __main__ as command
from hack.locks import files, proof
from hack.locks.check import problems
from hack.locks.files import LockError
from hack.locks.metadata import facts
from hack.locks.project import Wanted
from hack.locks.targets import ALL, Target, described, targets

Change = Callable[[str, str, str], None]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with our locks, to be broken."""
    shutil.copytree(CHECKOUT / "requirements", tmp_path / "requirements")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def change(checkout: Path) -> Change:
    """Change what a pattern matches in a file, which has to match there."""

    def write(file: str, pattern: str, new: str) -> None:
        text = (checkout / file).read_text()
        changed = re.sub(pattern, new, text, flags=re.MULTILINE)
        assert changed != text
        (checkout / file).write_text(changed)

    return write


def pin(name: str) -> str:
    """Return a pattern for the lines of a pin: its own, its hashes, and who requires it."""
    return rf"^{name}(\[[a-z]+\])?==.*\n(?: .*\n)*"


def test_locks_of_this_checkout_are_whole() -> None:
    assert problems(CHECKOUT) == []


def test_lock_without_an_extra_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/dev.txt", r"^coverage\[toml\]==", "coverage==")
    (said,) = problems(checkout)
    assert re.fullmatch(
        r"requirements/dev\.txt: pytest-cov \S+ requires coverage\[toml\]>=\S+, and the lock pins coverage without "
        r"the extra toml: run make requirements",
        said,
    )


def test_lock_without_a_pin_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/controller.txt", pin("multidict"), "")
    for requirer in ("aiohttp", "yarl"):
        sentence = (
            rf"requirements/controller\.txt: {requirer} \S+ requires multidict\S+, and the lock does not pin multidict: "
            "run make requirements"
        )
        assert [problem for problem in problems(checkout) if re.fullmatch(sentence, problem)]


def test_lock_without_what_pyproject_requires_is_refused(checkout: Path, change: Change) -> None:
    change("pyproject.toml", '"tenacity>=9.1"', '"tenacity>=99"')
    assert [re.sub(r"\d\S+(?=:)", "", problem) for problem in problems(checkout)] == [
        f"requirements/{name}.txt: pyproject.toml requires tenacity>=99, and the lock pins tenacity : run make requirements"
        for name in ("controller", "profiler", "dev")
    ]


def test_pin_outside_of_a_specifier_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/dev.txt", r"^pydantic-core==.*? ", "pydantic-core==2.0 ")
    said = problems(checkout)
    assert any(
        re.fullmatch(
            r".*dev\.txt: pydantic \S+ requires pydantic-core==\S+, and the lock pins pydantic-core 2\.0:.*", problem
        )
        for problem in said
    )
    assert (
        "requirements/metadata.json: pydantic-core 2.0 is locked, and the file says nothing of it: run make requirements"
        in said
    )
    assert any(
        re.match(r"requirements/controller\.txt: pydantic-core .* is not the version of requirements/dev", problem)
        for problem in said
    )


def test_pin_without_a_hash_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/build.txt", r"^(pluggy==\S+)(?: \\\n +--hash=\S+)+", r"\1")
    (said,) = problems(checkout)
    assert re.fullmatch(r"requirements/build\.txt: pluggy \S+ has no hash: run make requirements", said)


def test_pin_without_a_hash_for_one_platform_is_refused(checkout: Path, change: Change) -> None:
    recorded = (checkout / "requirements/metadata.json").read_text()
    for sha256 in re.findall(r'ruff-.*macosx.*": "(\w+)"', recorded):
        change("requirements/dev.txt", f"--hash=sha256:{sha256}", f"--hash=sha256:{'0' * 64}")
    (said,) = problems(checkout)
    assert re.fullmatch(
        r"requirements/dev\.txt: ruff \S+ has the hash of no wheel for Python 3\.11 on macOS arm64, "
        r"Python 3\.12 on macOS arm64, Python 3\.13 on macOS arm64: run make requirements",
        said,
    )


def test_marker_that_leaves_out_a_python_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/dev.txt", r"^(iniconfig==\S+)", r"\1 ; python_full_version < '3.13'")
    (said,) = problems(checkout)
    assert re.fullmatch(
        r"requirements/dev\.txt: pytest \S+ requires iniconfig>=\S+, and the lock does not pin iniconfig for Python 3\.13: "
        r"run make requirements",
        said,
    )


def test_marker_that_leaves_out_first_patch_releases_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/dev.txt", r"^(iniconfig==\S+)", r"\1 ; python_full_version >= '3.11.4'")
    (said,) = problems(checkout)
    assert said.endswith("does not pin iniconfig for Python 3.11: run make requirements")


def test_two_pins_where_their_markers_overlap_are_refused(checkout: Path, change: Change) -> None:
    change("requirements/dev.txt", r"^(numpy==\S+ ; python_full_version) < '3\.12'", r"\1 < '3.13'")
    assert [
        problem
        for problem in problems(checkout)
        if re.search(r"numpy is pinned to \S+ and to \S+ for Python 3\.12:", problem)
    ]


def test_pin_that_does_not_run_on_a_python_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/dev.txt", pin(r"scipy"), "")
    change("requirements/dev.txt", r"^(?=sortedcontainers)", "scipy==1.18.1 --hash=sha256:" + "0" * 64 + "\n")
    found = [problem for problem in problems(checkout) if "scipy 1.18.1 is pinned" in problem]
    assert found == [
        "requirements/dev.txt: scipy 1.18.1 is pinned for Python 3.11, and requires Python >=3.12: run make requirements"
    ]


@pytest.mark.parametrize("extras", ["", "[extra]"])
def test_requirements_of_an_extra_are_required_where_it_is_pinned(tmp_path: Path, extras: str) -> None:
    lock = tmp_path / "requirements" / "x.txt"
    lock.parent.mkdir()
    lock.write_text(f"a{extras}==1 --hash=sha256:{'0' * 64}\n")
    wanted = Wanted("x", (f"a{extras}>=1",), targets(">=3.11,<3.14", ALL))
    said = facts(">=3.11", ['b.c>=2; extra == "Extra"'], {"a-1-py3-none-any.whl": "0" * 64})
    missing = "requirements/x.txt: a 1 requires b-c>=2, and the lock does not pin b-c"
    assert proof.problems(wanted, files.read(lock), {"a==1": said}) == [missing] * bool(extras)


def test_line_that_pins_nothing_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/build.txt", r"^pluggy==", "pluggy>=")
    with pytest.raises(
        LockError, match=r"requirements/build\.txt: 'pluggy>=\S+' pins no version: run make requirements"
    ):
        problems(checkout)


def test_lock_for_one_machine_is_judged_for_that_one(checkout: Path, change: Change) -> None:
    change("requirements/aiperf.txt", pin("crick"), "")
    unused, missing = problems(checkout)
    assert re.fullmatch(r"requirements/metadata\.json: crick \S+ is in the file, and no lock pins it: .*", unused)
    assert re.fullmatch(
        r"requirements/aiperf\.txt: pyproject\.toml requires crick\S+, and the lock does not pin crick: run make requirements",
        missing,
    )


def test_line_that_names_an_index_is_refused(checkout: Path, change: Change) -> None:
    change("requirements/build.txt", r"\A", "--index-url https://packages.test/simple\n")
    with pytest.raises(LockError, match=r"--index-url .* is no requirement"):
        problems(checkout)


def test_lock_that_nobody_knows_is_refused(checkout: Path) -> None:
    (checkout / "requirements" / "other.txt").write_text("")
    assert problems(checkout) == [
        "requirements/other.txt: hack/locks/project.py does not say what it is for: describe it there, or remove it"
    ]


def test_metadata_of_another_version_is_stale(checkout: Path, change: Change) -> None:
    change("requirements/metadata.json", r'"pluggy==[^"]*": ', '"pluggy==0.1": ')
    found = [re.sub(r"(?<=pluggy )1\S+", "1", problem) for problem in problems(checkout)]
    assert found == [
        "requirements/metadata.json: pluggy 1 is locked, and the file says nothing of it: run make requirements",
        "requirements/metadata.json: pluggy 0.1 is in the file, and no lock pins it: run make requirements",
    ]


@pytest.mark.parametrize(
    ("pattern", "new"),
    [(r'"coverage\[toml\]>=[\d.]+"', '"coverage>=7"'), (r'"pytest>=[\d.]+"', '"pytest>=1"')],
)
def test_metadata_that_differs_from_what_is_installed_is_refused(
    checkout: Path, change: Change, pattern: str, new: str
) -> None:
    change("requirements/metadata.json", rf'{pattern}(?=(?:,\n.*)*\n  \],\n  "wheels": \{{\n   "pytest_cov-)', new)
    assert [re.sub(r"\d\S+", "", problem) for problem in problems(checkout)] == [
        "requirements/metadata.json: what it says of pytest-cov  is not what the installed one says: run make requirements"
    ]


def test_metadata_that_is_missing_or_broken_is_refused(checkout: Path) -> None:
    file = checkout / "requirements" / "metadata.json"
    file.write_text("[]")
    with pytest.raises(LockError, match=r"requirements/metadata\.json cannot be read: run make requirements"):
        problems(checkout)
    file.unlink()
    with pytest.raises(LockError, match=r"requirements/metadata\.json is missing: run make requirements"):
        problems(checkout)


@pytest.mark.parametrize(
    ("lock", "package", "missing"), [("dynamo", "ai-dynamo", "aisimulate"), ("aiperf", "aiperf", "kopf")]
)
def test_exception_for_a_package_is_the_one_of_pyproject(
    checkout: Path, change: Change, lock: str, package: str, missing: str
) -> None:
    change("pyproject.toml", rf'^ +\{{ name = "{package}", .*\n', "")
    found = problems(checkout)
    assert len(found) > 5
    assert all(re.match(rf"requirements/{lock}\.txt: {package} [\d.]+ requires ", problem) for problem in found)
    assert any(f"the lock does not pin {missing}" in problem for problem in found)


def test_exception_for_what_is_not_locked_is_refused(checkout: Path, change: Change) -> None:
    change("pyproject.toml", r'(name = "ai-dynamo", version = )"\S+"', r'\1"0.1"')
    assert (
        "pyproject.toml: dependency-metadata of [tool.uv] is for ai-dynamo 0.1, which no lock pins: correct or remove it"
        in problems(checkout)
    )


def test_command_prints_problems_and_fails(
    checkout: Path, change: Change, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "CHECKOUT", checkout)
    assert command.main([]) == 0
    change("requirements/dev.txt", r"^coverage\[toml\]==", "coverage==")
    assert command.main([]) == 1
    (checkout / "requirements" / "uv.txt").unlink()
    assert command.main([]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "without the extra toml" in first
    assert second == "requirements/uv.txt is missing: run make requirements"


@pytest.mark.parametrize(
    ("wheel", "fitting"),
    [
        ("a-1-py3-none-any.whl", {*targets(">=3.11,<3.14", ALL)}),
        ("a-1-cp311-abi3-manylinux_2_28_x86_64.whl", {Target(minor, ALL[0]) for minor in (11, 12, 13)}),
        ("a-1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", {Target(12, ALL[1])}),
        ("a-1-cp313-cp313-macosx_11_0_arm64.whl", {Target(13, ALL[2])}),
        ("a-1-cp313-cp313-macosx_10_13_universal2.whl", {Target(13, ALL[2])}),
        ("a-1-cp313-cp313t-manylinux_2_28_x86_64.whl", set()),
        ("a-1-cp313-cp313-manylinux_2_38_x86_64.whl", set()),
        ("a-1-cp313-cp313-musllinux_1_2_x86_64.whl", set()),
        ("a-1-cp313-cp313-win_amd64.whl", set()),
    ],
)
def test_wheel_fits_targets(wheel: str, fitting: set[Target]) -> None:
    assert {target for target in targets(">=3.11,<3.14", ALL) if target.rank(wheel) is not None} == fitting


def test_targets_are_described_shortly() -> None:
    everywhere = targets(">=3.12,<3.14", ALL)
    assert described(everywhere, everywhere) == ""
    assert described(everywhere[:4], everywhere) == " for Python 3.12, Python 3.13 on Linux x86_64"
