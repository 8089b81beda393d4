from pathlib import Path

import pytest

from hack.sentences import collect

MODULE = '''"""Documentation is not collected at all."""

NAME = "two words"
HINT = "use the newest version"


def explain(count, names):
    """Neither is this one."""
    if count > 1:
        raise ValueError(f"{count} of {', '.join(names)} are not known here")
    return "use the newest version" + "first line of it\\nand the second"
'''


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in ("api/dgdr_api", "dgdr_controller/empty"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "api" / "dgdr_api" / "module.py").write_text(MODULE)
    (tmp_path / "dgdr_controller" / "empty" / "none.py").write_text("X = 1\n")
    return tmp_path


def test_sentences_are_listed_once_in_order_with_their_placeholders(checkout: Path) -> None:
    _, _, listed = collect(checkout).partition("\n\n")
    assert listed.splitlines() == [
        "# api/dgdr_api/module.py",
        "use the newest version",
        "{count} of {', '.join(names)} are not known here",
        "first line of it\\nand the second",
    ]
