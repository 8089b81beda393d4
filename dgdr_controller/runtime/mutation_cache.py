"""Our own writes, from the server's answer until the watch tells of them: who wrote something reads it at once.

resourceVersions of a kind are ordered (KEP-5504) and a watch tells in their order: once it has told of version N, all
that was written up to N has arrived.
"""

from collections.abc import Iterator

from dgdr_controller.runtime.resource import CachedObject, Key, ObjectMeta


class MutationCache:
    """What lies on top of the objects of one kind."""

    def __init__(self) -> None:
        self._written: dict[Key, CachedObject] = {}
        self._hidden: dict[Key, str] = {}
        self._echoes: dict[Key, set[int]] = {}
        self._seen = -1

    def __contains__(self, key: Key) -> bool:
        return key in self._written or key in self._hidden

    def on_top(self, key: Key, stored: CachedObject | None) -> CachedObject | None:
        """Return what to show for a key, given what the watch told."""
        if (written := self._written.get(key)) is not None:
            return written
        hidden = self._hidden.get(key)
        return None if stored is not None and hidden == stored.meta.uid else stored

    def written(self) -> Iterator[CachedObject]:
        """Yield our writes that the watch has not told of yet."""
        yield from tuple(self._written.values())

    def wrote(self, stored: CachedObject, known: CachedObject | None) -> None:
        """Put a write on top, unless the watch has told of it or of something later."""
        version = stored.meta.version
        if version <= self._seen or version < 0 or (known is not None and version <= known.meta.version):
            return
        before = self._written.get(stored.key)
        if before is None or before.meta.version < version:
            self._written[stored.key] = stored
        self._hidden.pop(stored.key, None)
        self._echoes.setdefault(stored.key, set()).add(version)

    def hide(self, key: Key, uid: str) -> None:
        """Hide an object that we deleted."""
        self._written.pop(key, None)
        self._hidden[key] = uid

    def is_echo(self, stored: CachedObject) -> bool:
        """Say whether a state of an object is one that we wrote."""
        return stored.meta.version in self._echoes.get(stored.key, ())

    def deleted(self, key: Key, last: ObjectMeta) -> None:
        """The watch told of a deletion."""
        self._hidden.pop(key, None)
        written = self._written.get(key)
        if written is not None and written.meta.uid == last.uid:
            del self._written[key]
        self.seen(last.version)

    def begin(self, version: int) -> None:
        """Everything was listed anew; an older version than before means that etcd was restored from a backup."""
        if version < self._seen:
            self._written, self._hidden, self._echoes, self._seen = {}, {}, {}, version
        self.seen(version)

    def seen(self, version: int) -> None:
        """The watch has told of everything up to a version."""
        if version <= self._seen:
            return
        self._seen = version
        if not self._echoes:
            return
        for key in [key for key, stored in self._written.items() if stored.meta.version <= version]:
            del self._written[key]
        for key, versions in tuple(self._echoes.items()):
            versions -= {written for written in versions if written <= version}
            if not versions:
                del self._echoes[key]
