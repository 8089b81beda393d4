"""Whether engines will get the model, asked beside the search: a plan is not held up by a hub that does not answer."""

import threading
from collections.abc import Callable


class AccessCheck:
    """Asks about a model in a thread of its own.

    Args:
        model: Id of its repository.
        ask: Asks the hub; says why the model cannot be downloaded, or None.
    """

    def __init__(self, model: str, ask: Callable[[str], str | None]) -> None:
        self._refusal: str | None = None

        def run() -> None:
            self._refusal = ask(model)

        threading.Thread(target=run, name="hub", daemon=True).start()

    @property
    def refusal(self) -> str | None:
        """Why it cannot be downloaded, as far as the hub has told by now."""
        return self._refusal
