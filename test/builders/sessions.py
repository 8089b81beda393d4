"""Processes of this machine by the session that they belong to: what a program that leads one has left behind."""

from pathlib import Path


def sessions_of(parent: int) -> list[int]:
    """Return the sessions that are led by children of a process."""
    return [pid for pid, ppid, session in _processes() if ppid == parent and session == pid]


def members(session: int) -> list[int]:
    """Return the processes of a session."""
    return [pid for pid, _, found in _processes() if found == session]


def _processes() -> list[tuple[int, int, int]]:
    """Return process, parent and session of all processes but zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:  # it has ended meanwhile
            continue
        state, ppid, _, session = text.rpartition(")")[2].split()[:4]
        if state != "Z":
            found.append((int(path.parent.name), int(ppid), int(session)))
    return found
