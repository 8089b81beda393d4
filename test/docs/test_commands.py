"""Commands of the documents are found as they are written; each is run, or its page says why not."""

import re
from pathlib import Path

import pytest

from hack import commands
from hack.commands import PAGES, ROOT, RUN, Block, blocks, blocks_of, missing_lines

PAGE = """
Text, and `code`.

```bash
first --one
second \\
  --two
```

1. In a list:

   <!-- not run, third: needs a registry -->
   <!-- not run, fifth: costs money -->

   ```console
   $ third
   $ fourth
   says this
   $ fifth
   ```

<!-- not run: takes an hour -->
```bash
sixth
```

```yaml
# request.yaml
kind: Request
```
"""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands_of(found: list[Block]) -> set[str]:
    return {command.split(" #")[0].strip() for block in found for command in block.commands}


def test_blocks_are_found_in_their_order_with_commands_over_several_lines() -> None:
    first, second, third = blocks_of("page", PAGE)
    assert first.commands == ["first --one", "second \\\n  --two"]
    assert first.script == "first --one\nsecond \\\n  --two"
    assert second.commands == ["third", "fourth", "fifth"]
    assert third.commands == ["sixth"]


def test_reason_holds_for_a_block_or_for_the_lines_that_begin_so() -> None:
    first, second, third = blocks_of("page", PAGE)
    assert first.reasons == {}
    assert second.reasons == {"third": "needs a registry", "fifth": "costs money"}
    assert second.script == "fourth"
    assert second.output == ["says this"]
    assert (third.script, third.reasons) == ("", {"": "takes an hour"})


def test_file_is_a_block_that_begins_with_its_name(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    assert commands.files(page) == {"request.yaml": "# request.yaml\nkind: Request\n"}


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        (["one", "three"], []),
        (["three", "one"], ["one"]),
        (["...", "two  columns"], []),
        (["t...columns"], []),
        (["two"], ["two"]),
        (["one", "four", "three"], ["four"]),
    ],
)
def test_output_has_the_lines_of_a_page_in_their_order(expected: list[str], missing: list[str]) -> None:
    assert missing_lines(expected, "one\ntwo    columns\nthree\n") == missing


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_run_or_has_a_reason(page: Path) -> None:
    unknown = [block.text for block in blocks(page) if block.script and page not in RUN]
    assert unknown == [], "add the page to hack/commands.py, or a reason to the block"
    for block in blocks(page):
        idle = [start for start in block.reasons if not any(command.startswith(start) for command in block.commands)]
        assert idle == [], block.text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_reason_that_names_a_file_is_true(page: Path) -> None:
    """The file is there; a page that is named has the commands, and runs them."""
    for block in blocks(page):
        for start, reason in block.reasons.items():
            for path in re.findall(r"\b(?:e2e|test|docs)/[\w./-]*\w", reason):
                assert (ROOT / path).exists(), path
                if path.endswith(".md"):
                    ours = {command for command in commands_of([block]) if command.startswith(start)}
                    theirs = [other for other in blocks(ROOT / path) if other.script]
                    assert ours <= commands_of(theirs)
                    shown = [other.output for other in theirs if ours & commands_of([other]) and other.output]
                    assert not block.output or block.output in shown


def test_no_reason_is_left_over() -> None:
    """Each belongs to a block."""
    for page in PAGES:
        written = re.findall(r"^ *<!-- not run", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(written) == sum(len(block.reasons) for block in blocks(page)), page


def test_summary_counts_every_block() -> None:
    numbers = [int(number) for number in re.findall(r"\d+", commands.summary())]
    run, partly, others = numbers
    assert run + others == sum(len(blocks(page)) for page in PAGES)
    assert partly <= run
