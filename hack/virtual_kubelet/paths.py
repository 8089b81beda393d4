"""How paths of a container lead to folders of this machine, where nothing can be mounted."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PathMap:
    """Folders of this machine by paths in a container.

    Attributes:
        places: Where each path of the container leads to.
    """

    mount_paths: Mapping[str, str]

    def translate(self, word: str) -> str:
        """Return a word of a command line or a variable's value with its path led to this machine.

        Only whole words, and what follows the first ``=`` of a word, are looked at: text in which paths occur, such as
        a shell script, stays as it is.
        """
        if found := self._mounted(word):
            return found
        name, equals, value = word.partition("=")
        return f"{name}{equals}{self._mounted(value) or value}"

    def _mounted(self, path: str) -> str | None:
        for inside in sorted(self.mount_paths, key=len, reverse=True):
            if path == inside or path.startswith(f"{inside}/"):
                return self.mount_paths[inside] + path[len(inside) :]
        return None
