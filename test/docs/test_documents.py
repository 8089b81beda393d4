"""Documents say what is there: links, make targets, options of dgdr, files, reasons, annotations, requests."""

import re
import shlex
import textwrap
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from dgdr_api import names, parse_request
from dgdr_api.causes import CAUSES
from dgdr_controller import runtime
from dgdr_controller.cli.commands import dgdr
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.validation.request import validate
from hack import docs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = sorted(DOCS.rglob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / ".github" / "PULL_REQUEST_TEMPLATE.md", *SITE]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
OURS = re.compile(r"(?:api|config|dgdr_controller|docs|e2e|hack|requirements|test)/[\w./-]*")
REASON = re.compile(r'(?:waiting\(\s*|NameTakenError\(\s*|_report_waiting\([^"]*?)"([A-Z]\w+)"')
EVENT = re.compile(r'Event\(\s*"([A-Z]\w+)"')
FIXED = re.compile(r'_(true|false)\(\s*cls\.TYPE,\s*"(\w+)"')
NO_TROUBLE = {"DiscoveringHardware", "NameConflict"}
"""What is no trouble, and what has two sections."""

ELSEWHERE = {"failed calling webhook", "x509: certificate signed by unknown authority"}
"""Messages of the API server."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path, *languages: str) -> list[str]:
    return [block for _, language, block in FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of every command: lines of blocks for a shell, and code within a sentence."""
    shell = "".join(blocks(page, "bash", "console")).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in shell.splitlines()]
    for line in [*lines, *CODE.findall(prose(page))]:
        if line.startswith(("make ", "dgdr ", ".venv/bin/dgdr ")):
            yield shlex.split(line.split(" | ")[0], comments=True)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Python-Markdown makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode() for heading in headings)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in plain}


def reconciler() -> str:
    return "".join(path.read_text(encoding="utf-8") for path in (ROOT / "dgdr_controller" / "reconciler").rglob("*.py"))


def reasons() -> set[str]:
    """Return every reason of a condition that reports what is wrong or awaited."""
    fixed = FIXED.findall((ROOT / "api" / "dgdr_api" / "conditions.py").read_text(encoding="utf-8"))
    false = {reason for status, reason in fixed if status == "false"}
    causes = {cause.reason for cause in CAUSES if not cause.reason.startswith("<")}
    return false | set(REASON.findall(reconciler())) | causes


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", prose(page))):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert page not in SITE or target.is_relative_to(DOCS), f"{link} leaves the site"
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for line in re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE) for name in line.split()}
    for words in commands(page):
        if words[0] == "make":
            named = {word for word in words[1:] if "=" not in word and not word.startswith("-")}
            assert named <= targets, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_options_of_dgdr_exist(page: Path) -> None:
    group = click.Context(dgdr, info_name="dgdr")
    for words in commands(page):
        if words[0] == "make":
            continue
        given = [word.partition("=")[0] for word in words[1:] if word.startswith("-") and word != "-"]
        found = dgdr.get_command(group, words[1]) if len(words) > 1 and not words[1].startswith("-") else dgdr
        assert found is not None, words
        known = {name for param in found.params for name in (*param.opts, *param.secondary_opts)} | {"-h", "--help"}
        assert set(given) <= known, words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_project_exist(page: Path) -> None:
    for code in CODE.findall(prose(page)):
        if OURS.fullmatch(code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_requests_are_valid(page: Path) -> None:
    for block in blocks(page, "yaml"):
        found = yaml.safe_load(textwrap.dedent(block))
        if isinstance(found, dict) and found.get("kind") == "DynamoGraphDeploymentRequest":
            assert validate(parse_request(found)) == []


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in SITE)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_generated_parts_are_up_to_date() -> None:
    assert [name_of(path) for path, text in docs.pages().items() if path.read_text(encoding="utf-8") != text] == []


def test_every_reason_and_event_is_listed() -> None:
    page = (DOCS / "reference" / "conditions-and-events.md").read_text(encoding="utf-8")
    assert sorted(reason for reason in reasons() | set(EVENT.findall(reconciler())) if f"`{reason}`" not in page) == []


def test_every_trouble_has_a_way_out() -> None:
    lines = re.findall(r"^### .+", prose(DOCS / "how-to" / "troubleshoot.md"), re.MULTILINE)
    headings = re.findall(r"\w+", " ".join(lines))
    assert sorted(reasons() - NO_TROUBLE - set(headings)) == []
    assert headings.count("NameConflict") == 2


def test_messages_that_are_quoted_are_said() -> None:
    """Their pieces are in the sources: what stands for a value is an ellipsis in the page, and adjacent strings are one."""
    files = (path for folder in ("api", "dgdr_controller", "config/policy") for path in (ROOT / folder).rglob("*.*"))
    texts = (path.read_text(encoding="utf-8") for path in files if path.suffix in (".py", ".yaml"))
    said = re.sub(r"\s+", " ", re.sub(r"""["']\s*\+?\s*f?["']""", "", "".join(texts)))
    rows = re.findall(r"^\| (`.*?) \|", prose(DOCS / "how-to" / "troubleshoot.md"), re.MULTILINE)
    quoted = {piece.strip() for row in rows for code in CODE.findall(row) for piece in code.split("…")}
    assert sorted(quote for quote in quoted - ELSEWHERE if quote not in said) == []


def test_every_annotation_and_label_is_listed() -> None:
    page = (DOCS / "reference" / "annotations-and-labels.md").read_text(encoding="utf-8")
    known = {value for name, value in vars(names).items() if name.startswith(("ANNOTATION_", "LABEL_"))}
    assert sorted(name for name in known if f"`{name}`" not in page) == []


def test_every_exit_code_is_listed() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert [code for code in ExitCode if f"| {code.value} |" not in page] == []


def test_example_of_a_controller_is_that_of_the_package() -> None:
    (example,) = blocks(DOCS / "how-to" / "write-a-controller.md", "python")
    assert example in (runtime.__doc__ or "")


def test_nothing_of_a_machine_is_in_a_document() -> None:
    for page in PAGES:
        assert not re.search(r"/home/(?!dynamo)\w|/root\b|/tmp/\w|/work/", page.read_text(encoding="utf-8")), page
