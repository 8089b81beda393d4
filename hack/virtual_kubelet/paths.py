"""How paths of a container lead to folders of this machine, where nothing can be mounted."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PathMap:
    """Folders of this machine by paths in a container.

    Attributes:
        places: Where each path of the container leads to.
    """

    places: Mapping[str, str]

    def translate(self, word: str) -> str:
        """Return a word of a command line or a variable's value with its path led to this machine.

        Only whole words, and what follows the first ``=`` of a word, are looked at: text in which paths occur, such as
        a shell script, stays as it is.
        """
        if found := self._place(word):
            return found
        name, equals, value = word.partition("=")
        return f"{name}{equals}{self._place(value) or value}"

    def _place(self, path: str) -> str | None:
        for inside in sorted(self.places, key=len, reverse=True):
            if path == inside or path.startswith(f"{inside}/"):
                return self.places[inside] + path[len(inside) :]
        return None
