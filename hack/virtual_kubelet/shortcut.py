"""A short path of a cluster's folder: programs put Unix sockets below it, whose paths have room for 107 characters."""

import os
import secrets
import tempfile
from pathlib import Path

from hack.cluster.layout import Layout


def ensure(layout: Layout) -> Path:
    """Return a link to the cluster's folder, made if it is not there.

    The name is chosen by chance and taken only if it is free, so that no other user can prepare where it leads.
    """
    known = _file(layout)
    if known.exists() and _leads_to(layout, path := Path(known.read_text())):
        return path
    while True:
        link = Path(tempfile.gettempdir()) / f"dgdr-{secrets.token_hex(4)}"
        try:
            link.symlink_to(layout.root)
        except FileExistsError:
            continue
        known.write_text(str(link))
        return link


def remove(layout: Layout) -> None:
    """Remove the link."""
    known = _file(layout)
    if known.exists() and _leads_to(layout, path := Path(known.read_text())):
        path.unlink()


def _file(layout: Layout) -> Path:
    return layout.root / "shortcut"


def _leads_to(layout: Layout, link: Path) -> bool:
    return link.is_symlink() and link.readlink() == layout.root and link.lstat().st_uid == os.geteuid()
