"""The Pythons and platforms that the locks have to be whole on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import chain

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

_GLIBC = 34  # 2.34: Debian 12, Ubuntu 22.04 and RHEL 9 have it or a newer one
_OLDEST_GLIBC = 5
_LEGACY = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
_MACOS = (14, 0)
_NEXT_PYTHON = 100


@dataclass(frozen=True, slots=True)
class Platform:
    """An operating system on a machine.

    Attributes:
        title: How messages call it.
        sys_platform: How Python calls the system.
        machine: How Python calls the machine.
    """

    title: str
    sys_platform: str
    machine: str

    @property
    def tags(self) -> tuple[str, ...]:
        """The platform tags of wheels that run there, the best first."""
        if self.sys_platform == "darwin":
            return tuple(mac_platforms(_MACOS, self.machine))
        levels = [f"manylinux_2_{minor}" for minor in range(_GLIBC, _OLDEST_GLIBC - 1, -1)]
        return tuple(f"{level}_{self.machine}" for level in (*levels, *_LEGACY))


LINUX_X86_64 = (Platform("Linux x86_64", "linux", "x86_64"),)
LINUX = (*LINUX_X86_64, Platform("Linux aarch64", "linux", "aarch64"))
ALL = (*LINUX, Platform("macOS arm64", "darwin", "arm64"))


@dataclass(frozen=True, slots=True)
class Target:
    """A Python on a platform.

    Attributes:
        minor: Its minor version: 13 for Python 3.13.
        platform: The platform.
    """

    minor: int
    platform: Platform

    @property
    def python(self) -> str:
        """Major and minor version."""
        return f"3.{self.minor}"

    def environments(self) -> "tuple[Environment, Environment]":
        """Return the first and the last patch release: markers and Requires-Python tell those apart as well."""
        return Environment(self, f"{self.python}.0"), Environment(self, f"{self.python}.99")

    def rank(self, wheel: str) -> int | None:
        """Return the place of a wheel, by its file name, among all that can be installed; None where it cannot be."""
        ranks = _ranks(self)
        return min((ranks[tag] for tag in parse_wheel_filename(wheel)[3] if tag in ranks), default=None)


@dataclass(frozen=True, slots=True)
class Environment:
    """What markers are evaluated in.

    Attributes:
        target: The Python and its platform.
        python: The whole version.
    """

    target: Target
    python: str

    def satisfies(self, marker: Marker | None, extras: frozenset[str] = frozenset()) -> bool:
        """Say whether something with this marker is installed here, with any of these extras or without one."""
        return marker is None or any(marker.evaluate(self._values() | {"extra": extra}) for extra in ("", *extras))

    def _values(self) -> dict[str, str]:
        platform = self.target.platform
        darwin = platform.sys_platform == "darwin"
        return {  # all of them: what is left out is taken from the machine that this runs on
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": platform.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "23.0.0" if darwin else "6.1.0",
            "platform_system": "Darwin" if darwin else "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": self.target.python,
            "sys_platform": platform.sys_platform,
        }


@cache
def _ranks(target: Target) -> dict[Tag, int]:
    version, interpreter, platforms = (3, target.minor), f"cp3{target.minor}", target.platform.tags
    tags = chain(cpython_tags(version, [interpreter], platforms), compatible_tags(version, interpreter, platforms))
    return {tag: rank for rank, tag in enumerate(dict.fromkeys(tags))}


def targets(requires_python: str, platforms: Iterable[Platform]) -> tuple[Target, ...]:
    """Return each Python that is allowed, on each platform."""
    allowed = SpecifierSet(requires_python)
    minors = [minor for minor in range(_NEXT_PYTHON) if allowed.contains(f"3.{minor}.0")]
    return tuple(Target(minor, platform) for minor in minors for platform in platforms)


def described(some: Iterable[Target], everywhere: Iterable[Target]) -> str:
    """Say for which targets something holds; nothing where it holds for all of them."""
    found, all_ = set(some), list(everywhere)
    if found >= set(all_):
        return ""
    words = []
    for minor in sorted({target.minor for target in found}):
        titles = [target.platform.title for target in all_ if target.minor == minor and target in found]
        whole = len(titles) == sum(target.minor == minor for target in all_)
        words.append(f"Python 3.{minor}" if whole else f"Python 3.{minor} on {' and '.join(titles)}")
    return f" for {', '.join(words)}"
