"""The claim with a model's weights, and where its root can be seen from here."""

from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from dgdr_api.defaults import Cache


@dataclass(frozen=True, slots=True)
class MountedCache:
    """A model cache.

    Attributes:
        cache: What the request says of it.
        root: Where the root of its claim is, seen from here; None: it cannot be looked into.
    """

    cache: Cache
    root: Path | None

    def mounted(self, inside: PurePath) -> str:
        """Return where engines find a path of the claim; one under the mount already stays as it is."""
        return str(PurePosixPath(self.cache.mount_path) / inside.as_posix())
