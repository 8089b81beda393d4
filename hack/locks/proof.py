"""The proof that a lock is whole: on every target, each requirement of each pin is met by a pin."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hack.locks.files import Pin
from hack.locks.metadata import Facts
from hack.locks.project import Wanted
from hack.locks.targets import Environment, Target, described

_ROOT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is wrong, in words; where it holds stands between the two."""

    before: str
    after: str = ""


def problems(wanted: Wanted, pins: Sequence[Pin], recorded: Mapping[str, Facts]) -> list[str]:
    """Say what is wrong with a lock.

    Args:
        wanted: What it is for.
        pins: Its lines.
        recorded: What the distributions say of themselves, by "NAME==VERSION"; those it lacks are not judged.
    """
    found: dict[Gap, list[Target]] = {}
    for target in wanted.targets:
        for environment in target.environments():
            active = [pin for pin in pins if environment.satisfies(pin.marker)]
            for gap in _gaps(wanted, active, recorded, environment):
                found.setdefault(gap, []).append(target)
    return [
        f"requirements/{wanted.name}.txt: {gap.before}{described(where, wanted.targets)}{gap.after}"
        for gap, where in found.items()
    ]


def used(wanted: Wanted, pins: Iterable[Pin]) -> dict[str, list[Target]]:
    """Return the distributions ("NAME==VERSION") that are installed on some target, and on which."""
    found: dict[str, list[Target]] = {}
    for pin in pins:
        for target in wanted.targets:
            if any(environment.satisfies(pin.marker) for environment in target.environments()):
                found.setdefault(pin.key, []).append(target)
    return found


def _gaps(
    wanted: Wanted, active: Sequence[Pin], recorded: Mapping[str, Facts], environment: Environment
) -> Iterator[Gap]:
    by_name: dict[str, Pin] = {}
    for pin in active:
        if pin.name in by_name:
            yield Gap(f"{pin.name} is pinned to {by_name[pin.name].version} and to {pin.version}")
        by_name[pin.name] = pin
        yield from _own_gaps(pin, recorded.get(pin.key), environment)
    requirers = [(_ROOT, frozenset[str](), wanted.requirements)] + [
        (f"{pin.name} {pin.version}", pin.extras, recorded[pin.key].requires) for pin in active if pin.key in recorded
    ]
    for requirer, extras, requirements in requirers:
        for requirement in _applicable(requirements, extras, environment):
            yield from _unmet(requirer, requirement, by_name)


@cache
def _applicable(requirements: tuple[str, ...], extras: frozenset[str], environment: Environment) -> list[Requirement]:
    parsed = map(_requirement, requirements)
    return [requirement for requirement in parsed if environment.satisfies(requirement.marker, extras)]


def _own_gaps(pin: Pin, facts: Facts | None, environment: Environment) -> Iterator[Gap]:
    if not pin.hashes:
        yield Gap(f"{pin.name} {pin.version} has no hash")
    elif facts and not _installable(facts, pin.hashes, environment.target):
        yield Gap(f"{pin.name} {pin.version} has the hash of no wheel")
    if facts and not _contains(facts.python, environment.python):
        yield Gap(f"{pin.name} {pin.version} is pinned", f", and requires Python {facts.python}")


def _installable(facts: Facts, hashes: frozenset[str], target: Target) -> bool:
    return any(sha256 in hashes and target.rank(wheel) is not None for wheel, sha256 in facts.wheels.items())


def _unmet(requirer: str, requirement: Requirement, by_name: Mapping[str, Pin]) -> Iterator[Gap]:
    name = canonicalize_name(requirement.name)
    wanted = f"{name}{_listed(requirement.extras)}{requirement.specifier}"
    pin = by_name.get(name)
    if pin is None:
        yield Gap(f"{requirer} requires {wanted}, and the lock does not pin {name}")
    elif not _contains(str(requirement.specifier), pin.version):
        yield Gap(f"{requirer} requires {wanted}, and the lock pins {name} {pin.version}")
    elif missing := set(map(canonicalize_name, requirement.extras)) - pin.extras:
        words = f"extra{'s' * (len(missing) > 1)} {' and '.join(sorted(missing))}"
        yield Gap(f"{requirer} requires {wanted}, and the lock pins {name} without the {words}")


def _listed(extras: Iterable[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""


@cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)


@cache
def _contains(specifier: str, version: str) -> bool:
    return SpecifierSet(specifier).contains(version, prereleases=True)
