"""``python3 -m hack.setup``: the environment of this checkout, ``.venv``, with everything that development needs."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from hack import assets
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError, say, step
from hack.setup import debian
from hack.setup.debian import Purpose
from hack.setup.environment import REQUIREMENTS, environment, install_project

_INTERRUPTED = 130


def setup() -> None:
    """Set up the environment.

    Raises:
        ClusterError: Something cannot be fetched.
    """
    debian.install(Purpose.PYTHON)
    debian.check(Purpose.PYTHON)
    folder = CHECKOUT / ".venv"
    environment(folder, REQUIREMENTS / "dev.txt")
    with step("Installing the project"):
        install_project(folder)
    try:
        assets.fetch()
    except assets.AssetError as error:  # everything works but the results page, which then says so
        if os.environ.get("CI"):
            raise
        say(f"Warning: the results page has no chart: {error}")


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        setup()
    except KeyboardInterrupt:
        say("interrupted: the same command continues where it stopped")
        sys.exit(_INTERRUPTED)
    except (ClusterError, assets.AssetError, OSError) as error:
        say(f"Error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
