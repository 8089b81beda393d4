"""A Debian to build from where no image can be pulled: made from the packages that this machine's apt is set up for."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.progress import ClusterError
from hack.images.programs import Runner

_PACKAGES = ("ca-certificates", "python3", "python3-venv")
_PRUNED = (
    *("dev/*", "var/cache/apt/*", "var/lib/apt/lists/*", "var/log/*", "etc/apt/sources.list*", "etc/apt/apt.conf.d/*"),
    *("etc/hostname", "etc/resolv.conf", "etc/machine-id", "var/lib/dbus/machine-id"),  # copied from this machine
    *("usr/share/man/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/i18n/*", "usr/share/zoneinfo/*"),
)
_SCRIPTS = Path("/usr/share/debootstrap/scripts")

RECIPE = json.dumps([_PACKAGES, _PRUNED])
"""What is in it besides what the machine's apt decides."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where Debian's packages come from.

    Attributes:
        mirror: URL of the archive.
        suite: Name of the release.
    """

    mirror: str
    suite: str


def source() -> Source:
    """Return the release that this machine's apt is set up for.

    Raises:
        ClusterError: It is set up for none that debootstrap knows.
    """
    policy = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],  # noqa: S607 - Debian's
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    for mirror, suite, component in (line.split() for line in policy.splitlines()):
        if component == "main" and (_SCRIPTS / suite).exists():
            return Source(mirror, suite)
    raise ClusterError(
        "apt is set up for no release that debootstrap knows: correct /etc/apt/sources.list.d, or use Docker"
    )


def fill(root: Path, origin: Source, runner: Runner) -> None:
    """Install the base into an empty folder.

    Raises:
        ClusterError: debootstrap fails.
    """
    runner.run(
        # In mounts of its own: what it mounts ends with it, however it ends.
        *("unshare", "--mount", "debootstrap", "--variant=minbase", "--force-check-gpg"),
        *(f"--include={','.join(_PACKAGES)}", origin.suite, str(root), origin.mirror),
    )
    for path in prunable(root):
        runner.run("rm", "-rf", str(path))


def prunable(root: Path) -> Iterator[Path]:
    """Return what an image does without: documentation, caches, and what was copied from this machine."""
    for pattern in _PRUNED:
        yield from root.glob(pattern)
    yield from (path for path in root.glob("usr/share/doc/*/*") if path.name != "copyright")
