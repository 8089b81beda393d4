import datetime as dt
import shutil
from pathlib import Path

import pytest

from hack.version import PATTERNS, ROOT, VersionError, bump, versions

DAY = dt.date(2026, 11, 30)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in PATTERNS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Much.\n")
    return tmp_path


def test_versions_of_this_checkout_agree() -> None:
    assert len(set(versions().values())) == 1


def test_bump_sets_every_version_and_dates_the_changelog(checkout: Path) -> None:
    bump("7.8.9", checkout, DAY)
    assert set(versions(checkout).values()) == {"7.8.9"}
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert changelog == "# Changelog\n\n## [Unreleased]\n\n## [7.8.9] - 2026-11-30\n\n### Added\n\n- Much.\n"


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3-rc1", "latest"])
def test_bump_refuses_what_is_not_a_version(checkout: Path, version: str) -> None:
    before = versions(checkout)
    with pytest.raises(VersionError, match="is not a version"):
        bump(version, checkout, DAY)
    assert versions(checkout) == before


def test_bump_changes_nothing_without_an_unreleased_heading(checkout: Path) -> None:
    (checkout / "CHANGELOG.md").write_text("# Changelog\n")
    before = versions(checkout)
    with pytest.raises(VersionError, match="has no heading"):
        bump("7.8.9", checkout, DAY)
    assert versions(checkout) == before


def test_second_version_in_a_file_is_an_error(checkout: Path) -> None:
    file = checkout / "Dockerfile"
    file.write_text(file.read_text() * 2)
    with pytest.raises(VersionError, match="Dockerfile states 2 versions"):
        versions(checkout)
