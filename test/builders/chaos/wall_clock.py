"""The time of day as the controller reads it in this process, which jumps."""

import datetime as dt
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

_PACKAGE = "dgdr_controller."


@dataclass
class WallClock:
    """A clock that is wrong.

    Attributes:
        off: How far it is ahead of the true time; negative: behind.
    """

    off: dt.timedelta = dt.timedelta()


@contextmanager
def jumping_clock() -> Iterator[WallClock]:
    """Have every module of the controller read the time of day from a clock that jumps; no other clock is touched."""
    clock = WallClock()

    class Jumping(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.now(tz) + clock.off

    module = types.SimpleNamespace(**vars(dt) | {"datetime": Jumping})
    with pytest.MonkeyPatch.context() as patch:
        for name, loaded in tuple(sys.modules.items()):
            for attribute, value in tuple(vars(loaded).items()) if name.startswith(_PACKAGE) else ():
                if value is dt.datetime:
                    patch.setattr(loaded, attribute, Jumping)
                elif value is dt:
                    patch.setattr(loaded, attribute, module)
        yield clock
