"""Files that are never seen half written."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path


def write_atomically(folder: Path, contents: Mapping[str, str | bytes]) -> None:
    """Write files of a folder: each is the old one or the whole new one, and none is new unless all can be written.

    Args:
        folder: The folder.
        contents: Text or bytes by name, which may be a path below the folder.

    Raises:
        OSError: The folder cannot be written to, or is full.
    """
    staged = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in (folder / name for name in contents)}
    try:
        for (path, temporary), content in zip(staged.items(), contents.values(), strict=True):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "is a folder; expected a file name", str(path))
            with temporary.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
        for path, temporary in staged.items():
            temporary.replace(path)
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def is_mounted(path: Path) -> bool:
    """Say whether a file can only be written in place: it is mounted by itself, or its folder lets nothing be made."""
    return path.is_file() and (os.path.ismount(path) or not os.access(path.parent, os.W_OK))


def write_where_possible(path: Path, content: str) -> None:
    """Write a file: atomically, unless it is mounted by itself, as a container's termination message is.

    Args:
        path: The file.
        content: Its text.

    Raises:
        OSError: It cannot be written.
    """
    if is_mounted(path):
        path.write_text(content, encoding="utf-8")
    else:
        write_atomically(path.parent, {path.name: content})
