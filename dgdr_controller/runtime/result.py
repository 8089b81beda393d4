"""What a reconciler is, and what it answers."""

from dataclasses import dataclass
from typing import Protocol

from dgdr_controller.runtime.resource import Key


@dataclass(frozen=True, slots=True)
class Result:
    """What comes next for an object; an exception instead means: again, after a growing delay.

    Attributes:
        requeue_after: Seconds until the object is reconciled again even if nothing happens; None: only if something
            happens.
    """

    requeue_after: float | None = None

    @classmethod
    def done(cls) -> "Result":
        """Nothing to do until something changes."""
        return _DONE

    @classmethod
    def after(cls, seconds: float) -> "Result":
        """Look again after this many seconds, or earlier if something changes."""
        return cls(requeue_after=seconds)


_DONE = Result()


class Reconciler(Protocol):
    """Brings the cluster closer to what one object asks for."""

    async def reconcile(self, key: Key) -> Result:
        """Look at what is, do the next thing, say when to come back.

        It is called for a key when anything about it may have changed, never twice at a time for one key, and after
        restarts for every key: it must follow from what the API server says now.

        Raises:
            TerminalError: Another try would not help; the next change is awaited.
            Exception: Anything else is logged with the key and tried again after a growing delay.
        """
