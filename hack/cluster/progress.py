"""Progress lines: what takes more than a moment says so, with the seconds it took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ClusterError(Exception):
    """A cluster cannot be made or used; one sentence says why and what to do."""


def say(line: str) -> None:
    """Print one line at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step and say how long it took."""
    begun = time.monotonic()
    say(f"{what} ...")
    yield
    say(f"{what}: {time.monotonic() - begun:.1f} s")
