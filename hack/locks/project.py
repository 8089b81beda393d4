"""What pyproject.toml wants of each lock."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from hack.locks import targets
from hack.locks.targets import Platform, Target

FOLDER = "requirements"
DEV = "dev"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a lock is for.

    Attributes:
        name: The lock: ``requirements/NAME.txt``.
        requirements: What it has to satisfy, besides itself.
        targets: Where it is installed.
        tested: Whether its versions are those of the development environment, in which the tests run.
    """

    name: str
    requirements: tuple[str, ...]
    targets: tuple[Target, ...]
    tested: bool = True

    def path(self, root: Path) -> Path:
        """Return its file in a checkout."""
        return root / FOLDER / f"{self.name}.txt"


@dataclass(frozen=True, slots=True)
class Project:
    """The parts of pyproject.toml that are about dependencies.

    Attributes:
        locks: What each lock is for.
        overrides: What distributions ("NAME==VERSION") are taken to require instead of what they declare. Such a lock
            is installed with ``--no-deps``.
    """

    locks: tuple[Wanted, ...]
    overrides: dict[str, tuple[str, ...]]


def read(root: Path) -> Project:
    """Read a checkout's pyproject.toml."""
    content = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project, groups = content["project"], content["dependency-groups"]
    extras, own = project["optional-dependencies"], project["dependencies"]

    def wanted(name: str, requirements: list[str], platforms: tuple[Platform, ...], *, tested: bool = True) -> Wanted:
        return Wanted(name, tuple(requirements), targets.targets(project["requires-python"], platforms), tested=tested)

    return Project(
        (
            wanted("build", content["build-system"]["requires"], targets.ALL),
            wanted("controller", own, targets.ALL),
            wanted("profiler", [*own, *extras["profiler"]], targets.ALL),
            wanted(DEV, [*own, *extras["profiler"], *extras["kubectl"], *extras["dev"]], targets.ALL),
            wanted("uv", groups["uv"], targets.ALL),
            wanted("init", groups["init"], targets.LINUX, tested=False),  # part of images
            wanted("go", groups["go"], targets.ALL, tested=False),
            wanted("node", groups["node"], targets.ALL, tested=False),
            wanted("docs", groups["docs"], targets.ALL, tested=False),
            wanted("dynamo", groups["dynamo"], targets.LINUX, tested=False),  # an image; its Dynamo is Linux's alone
            wanted("aiperf", groups["aiperf"], targets.LINUX_X86_64, tested=False),  # crick's wheels are for it
            wanted("engines", groups["engines"], targets.LINUX_X86_64, tested=False),  # the engines' wheels are for it
        ),
        _overrides(content.get("tool", {}).get("uv", {})),
    )


def _overrides(settings: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        f"{canonicalize_name(metadata['name'])}=={metadata['version']}": tuple(metadata.get("requires-dist", ()))
        for metadata in settings.get("dependency-metadata", ())
    }
