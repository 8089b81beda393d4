"""What the locked distributions say of themselves: recorded in one file, since no machine has all of them installed."""

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from hack.locks.files import LockError

FILE = "requirements/metadata.json"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a distribution says.

    Attributes:
        python: Its Requires-Python.
        requires: Its Requires-Dist, those of all extras included.
        wheels: The sha256 of wheels by their names: for each target the one that fits best.
    """

    python: str
    requires: tuple[str, ...]
    wheels: Mapping[str, str]


def facts(python: str | None, requires: Iterable[str] | None, wheels: Mapping[str, str]) -> Facts:
    """Return facts in one spelling, whichever tool wrote the metadata."""
    required = sorted({str(Requirement(requirement)) for requirement in requires or ()})
    return Facts(str(SpecifierSet(python or "")), tuple(required), dict(sorted(wheels.items())))


def read(root: Path) -> dict[str, Facts]:
    """Read what is recorded, by "NAME==VERSION".

    Raises:
        LockError: There is no such file, or it is no record.
    """
    try:
        content = json.loads((root / FILE).read_text(encoding="utf-8"))
        return {
            key: Facts(facts["python"], tuple(facts["requires"]), facts["wheels"]) for key, facts in content.items()
        }
    except FileNotFoundError:
        raise LockError(f"{FILE} is missing: run make requirements") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LockError(f"{FILE} cannot be read: run make requirements") from None


def write(root: Path, recorded: Mapping[str, Facts]) -> None:
    """Record."""
    content = {key: asdict(facts) for key, facts in sorted(recorded.items())}
    (root / FILE).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def installed(keys: Iterable[str]) -> dict[str, Facts]:
    """Return what is installed in this environment of these ("NAME==VERSION"); of its wheels nothing is known."""
    found = {}
    for key in keys:
        name, _, version = key.partition("==")
        try:
            here = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if here.version == version:
            python = here.metadata.get_all("Requires-Python") or [None]
            found[key] = facts(python[0], here.requires, {})
    return found
