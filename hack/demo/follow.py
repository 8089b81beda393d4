"""A request on its way: each phase with the time at which it came, and what is said about it."""

import time
from typing import Any

import click

from hack.cluster.api import Client

_END_S = 600.0
_ENDS = {"Deployed", "Failed"}


def find(api: Client, path: str) -> dict[str, Any] | None:
    """Return an object; None where there is none, or nobody answers."""
    try:
        found: dict[str, Any] = api.request("GET", path)
    except OSError:
        return None
    return found


def follow(api: Client, path: str) -> str:
    """Show what a request goes through; return the phase that it ends in."""
    begun, shown, line = time.monotonic(), "", ""
    while time.monotonic() - begun < _END_S:
        status = (find(api, path) or {}).get("status", {})
        stage, line = describe(status)
        if stage != shown:
            click.echo(f"{time.monotonic() - begun:6.1f} s  {line}")
            shown = stage
        if status.get("phase") in _ENDS:
            return str(status["phase"])
        time.sleep(0.3)
    return f"unfinished after {_END_S:.0f} s ({line})"


def describe(status: dict[str, Any]) -> tuple[str, str]:
    """Return the stage of a request, and a line about it: the progress, else the youngest condition not fulfilled.

    A running search is at the same stage until its count grows, so that a slow machine needs no more lines.
    """
    phase = status.get("phase", "Applied")
    waiting = [c for c in status.get("conditions", []) if c["status"] == "False" and c["type"] != "Succeeded"]
    progress = status.get("profilingProgress")
    if phase == "Profiling" and progress:
        stage = f"{phase:10} {progress['completed']}/{progress['total']}"
        return stage, f"{stage}  {progress['message']}"
    line = f"{phase:10} {waiting[-1]['message'] if waiting else ''}".rstrip()
    return line, line
