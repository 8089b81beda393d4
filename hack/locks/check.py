"""All that is asked of the locks of a checkout."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from hack.locks import files, metadata, project, proof
from hack.locks.files import Pin
from hack.locks.metadata import FILE, Facts

_REMEDY = "run make requirements"


def problems(root: Path) -> list[str]:
    """Say what is wrong with the locks of a checkout, each in a sentence that names the file and the remedy.

    Raises:
        LockError: A lock or what is recorded cannot be read.
    """
    described = project.read(root)
    locks = {lock: files.read(lock.path(root)) for lock in described.locks}
    recorded = metadata.read(root)
    believed = recorded | {
        key: Facts(facts.python, described.overrides[key], facts.wheels)
        for key, facts in recorded.items()
        if key in described.overrides
    }
    found = [*_differing(recorded), *_unrecorded(locks, recorded), *_untested(locks)]
    for wanted, pins in locks.items():
        found += proof.problems(wanted, pins, believed)
    return [
        *_unknown(root, locks),
        *(
            f"pyproject.toml: dependency-metadata of [tool.uv] is for {key.replace('==', ' ')}, which no lock pins: "
            "correct or remove it"
            for key in described.overrides.keys() - recorded.keys()
        ),
        *(f"{problem}: {_REMEDY}" for problem in found),
    ]


def _unknown(root: Path, locks: Iterable[project.Wanted]) -> Iterator[str]:
    for path in sorted({*(root / project.FOLDER).glob("*.txt")} - {lock.path(root) for lock in locks}):
        yield f"{files.label(path)}: hack/locks/project.py does not say what it is for: describe it there, or remove it"


def _differing(recorded: Mapping[str, Facts]) -> Iterator[str]:
    for key, here in metadata.installed(recorded).items():
        facts = recorded[key]
        if (facts.python, facts.requires) != (here.python, here.requires):
            yield f"{FILE}: what it says of {key.replace('==', ' ')} is not what the installed one says"


def _unrecorded(locks: Mapping[project.Wanted, tuple[Pin, ...]], recorded: Mapping[str, Facts]) -> Iterator[str]:
    used = {key for wanted, pins in locks.items() for key in proof.used(wanted, pins)}
    for key in sorted(used - recorded.keys()):
        yield f"{FILE}: {key.replace('==', ' ')} is locked, and the file says nothing of it"
    for key in sorted(recorded.keys() - used):
        yield f"{FILE}: {key.replace('==', ' ')} is in the file, and no lock pins it"


def _untested(locks: Mapping[project.Wanted, tuple[Pin, ...]]) -> Iterator[str]:
    (tested,) = ({pin.key for pin in pins} for wanted, pins in locks.items() if wanted.name == project.DEV)
    for wanted, pins in locks.items():
        for pin in pins:
            if wanted.tested and pin.key not in tested:
                yield (
                    f"requirements/{wanted.name}.txt: {pin.name} {pin.version} is not the version of "
                    f"requirements/{project.DEV}.txt, with which the tests run"
                )
