"""The commands of the documents: blocks for a shell, in their order, and what pages show beside them.

A block that cannot run says why, in a comment right before it that no reader of the page sees:

    <!-- not run: needs a registry -->
    <!-- not run, make deploy: needs a registry -->

The second form leaves out those lines alone that begin so. A reason that names a file of the project says where the
same is run.
"""

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
_DOCS = ROOT / "docs"
TUTORIAL = _DOCS / "tutorial" / "first-deployment.md"
README = ROOT / "README.md"
ABOUT_A_REQUEST = (
    _DOCS / "how-to" / "troubleshoot.md",
    _DOCS / "how-to" / "get-the-output.md",
    _DOCS / "reference" / "status-fields.md",
    _DOCS / "reference" / "annotations-and-labels.md",
    _DOCS / "reference" / "metrics.md",
)
"""Pages that look at a request ``my-model``, the README's."""
WITHOUT_PODS = (
    README,
    _DOCS / "how-to" / "install-on-a-cluster.md",
    _DOCS / "how-to" / "upgrade.md",
    _DOCS / "how-to" / "live-beside-dynamos-operator.md",
)
"""Pages whose commands only write objects, or look at the controller."""
PLANNING = (
    _DOCS / "how-to" / "plan-without-a-cluster.md",
    _DOCS / "how-to" / "private-models.md",
    _DOCS / "how-to" / "correct-estimates.md",
)
"""Pages most of whose commands need no cluster: e2e/test_planning_documents.py."""
RUN = (TUTORIAL, *ABOUT_A_REQUEST, *WITHOUT_PODS, *PLANNING)
"""Pages whose blocks run, unless a reason says otherwise: e2e/test_documents.py."""

_FENCE = r"^( *)```{language}\n(.*?)^ *```$"
_NOT_RUN = re.compile(r"<!-- not run(?:, ([^:]+))?: (.+?) -->")
_SHELL = re.compile(
    r"((?:^ *<!-- not run.*? -->\n\n?)*)" + _FENCE.format(language="(bash|console)"), re.MULTILINE | re.DOTALL
)
_TEXT = re.compile(_FENCE.format(language="text"), re.MULTILINE | re.DOTALL)
_YAML = re.compile(_FENCE.format(language="yaml"), re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"# ([\w.-]+\.yaml)\n")
_LINE = re.compile(r"(?:[^\\\n]|\\.|\\\n)+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands that a reader copies at once.

    Attributes:
        page: The page, from the root of the project.
        text: The block as it is written.
        reasons: Why commands that begin so are not run; an empty beginning is that of every command.
    """

    page: str
    text: str
    reasons: Mapping[str, str]

    @property
    def commands(self) -> list[str]:
        """What is written to be run: in a block that shows output, what follows a prompt."""
        lines = _LINE.findall(self.text)
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return prompted or lines

    @property
    def script(self) -> str:
        """What is run."""
        skipped = tuple(self.reasons)
        return "\n".join(line for line in self.commands if not (skipped and line.startswith(skipped)))

    @property
    def needs_cluster(self) -> bool:
        """Whether what is run asks for a cluster."""
        return "kubectl" in self.script

    @property
    def output(self) -> list[str]:
        """Lines that the page shows as output."""
        lines = self.text.splitlines()
        return [line for line in lines if not line.startswith("$ ")] if self.text.startswith("$ ") else []


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    return blocks_of(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))


def blocks_of(name: str, text: str) -> list[Block]:
    """Return the blocks of a page that has this text."""
    return [
        Block(name, textwrap.dedent(block), dict(_NOT_RUN.findall(comments)))
        for comments, _, _, block in _SHELL.findall(text)
    ]


def texts(page: Path) -> list[list[str]]:
    """Return what a page shows of longer outputs, in blocks of their own."""
    found = _TEXT.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(block).splitlines() for _, block in found]


def manifests(page: Path) -> list[str]:
    """Return the blocks of YAML of a page."""
    return [textwrap.dedent(block) for _, block in _YAML.findall(page.read_text(encoding="utf-8"))]


def files(page: Path) -> dict[str, str]:
    """Return the files that a page has its reader write: blocks of YAML that begin with a comment that is a name."""
    return {name[1]: text for text in manifests(page) if (name := _NAME.match(text))}


def missing_lines(expected: Iterable[str], found: str) -> list[str]:
    """Return the lines that are not among those found, in this order.

    An ellipsis stands for anything, and columns may be wider.
    """
    rest, missing = [" ".join(line.split()) for line in found.splitlines()], []
    for line in expected:
        if line.strip() == "...":
            continue
        pattern = ".*".join(map(re.escape, " ".join(line.split()).split("...")))
        at = next((number for number, printed in enumerate(rest) if re.fullmatch(pattern, printed)), None)
        if at is None:
            missing.append(line)
        else:
            del rest[: at + 1]
    return missing


def summary() -> str:
    """Return how many blocks are run, and how many are not."""
    found = [block for page in PAGES for block in blocks(page)]
    run = sum(bool(block.script) for block in found)
    partly = sum(bool(block.script and block.reasons) for block in found)
    return f"Blocks of commands in documents: {run} run ({partly} without some lines), {len(found) - run} not run"
