"""The version of this project: ``python -m hack.version NEW`` sets it everywhere; without NEW, check that all agree."""

import datetime as dt
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_VERSION = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"
PATTERNS = {
    "pyproject.toml": rf'(?m)^version = "({_VERSION})"$',
    "api/pyproject.toml": rf'(?m)^version = "({_VERSION})"$',
    "Dockerfile": rf"org\.opencontainers\.image\.version=({_VERSION})",
}
"""Files that state the version, each once, and how."""
_CHANGELOG = "CHANGELOG.md"
_UNRELEASED = "## [Unreleased]"


class VersionError(Exception):
    """A version cannot be read or set."""


def versions(root: Path = ROOT) -> dict[str, str]:
    """Return the version that each file states.

    Raises:
        VersionError: A file does not state it exactly once.
    """
    found = {}
    for name, pattern in PATTERNS.items():
        matches = re.findall(pattern, (root / name).read_text(encoding="utf-8"))
        if len(matches) != 1:
            raise VersionError(f"{name} states {len(matches)} versions; expected one")
        found[name] = matches[0]
    return found


def bump(new: str, root: Path = ROOT, today: dt.date | None = None) -> None:
    """Set the version, and give the unreleased changes in the changelog its heading.

    Raises:
        VersionError: It is not a version, or there is nothing to release.
    """
    if not re.fullmatch(_VERSION, new):
        raise VersionError(f"{new} is not a version such as 1.2.3 or 1.2.3rc1")
    versions(root)
    changelog = root / _CHANGELOG
    text = changelog.read_text(encoding="utf-8")
    if text.count(_UNRELEASED) != 1:
        raise VersionError(f"{_CHANGELOG} has no heading {_UNRELEASED}")
    for name, pattern in PATTERNS.items():
        content = (root / name).read_text(encoding="utf-8")
        changed = re.sub(pattern, lambda match: match[0].replace(match[1], new), content)
        (root / name).write_text(changed, encoding="utf-8")
    date = (today or dt.datetime.now(dt.UTC).date()).isoformat()
    changelog.write_text(text.replace(_UNRELEASED, f"{_UNRELEASED}\n\n## [{new}] - {date}"), encoding="utf-8")


def main() -> int:
    """Set the version that is given, or check."""
    try:
        if sys.argv[1:]:
            bump(sys.argv[1])
        found = versions()
    except VersionError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if len(set(found.values())) > 1:
        print("the versions differ: " + ", ".join(f"{name} {version}" for name, version in found.items()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
