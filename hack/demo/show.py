"""What the demo shows at the end: the choice, the first candidates, the conditions, an answer of the endpoint."""

from collections.abc import Iterable, Sequence
from typing import Any

_CANDIDATES = 5
"""Candidates that are shown; `VERBOSE=1` shows all."""
_COLUMNS = (
    ("Engine", "backend"),
    ("Mode", "mode"),
    ("Parallelism", "parallelization"),
    ("GPUs", "gpus"),
    ("Tokens/s/GPU", "throughputPerGpu"),
    ("TTFT (ms)", "ttft"),
    ("ITL (ms)", "itl"),
)


def verdict(request: dict[str, Any]) -> str:
    """Return what was chosen and what it is estimated to deliver, without the reason."""
    message = str(_condition(request, "ProfilingComplete").get("message", "Nothing was chosen."))
    estimate, mark, _ = message.partition("). ")
    return f"{estimate})" if mark else message


def candidates(request: dict[str, Any], limit: int = _CANDIDATES) -> list[str]:
    """Return the first candidates as a table, the chosen one first."""
    found = request.get("status", {}).get("profilingResults", {}).get("pareto", [])
    rows = [[f"{row[key]:g}" if isinstance(row[key], float | int) else str(row[key]) for _, key in _COLUMNS]
            for row in found[:limit]]  # fmt: skip
    more = [f"... and {len(found) - limit} more on the Pareto front"] if len(found) > limit else []
    return [*table([name for name, _ in _COLUMNS], rows), *more]


def conditions(request: dict[str, Any]) -> list[str]:
    """Return the conditions as kubectl describes those of a node or a pod."""
    found = request.get("status", {}).get("conditions", [])
    return table(
        ["Type", "Status", "Reason", "Message"], [[c["type"], c["status"], c["reason"], c["message"]] for c in found]
    )


def pods(found: dict[str, Any]) -> str:
    """Return the pods of a deployment with their GPUs in one line."""
    names = [f"{pod['metadata']['name']} ({_gpus(pod)} GPUs)" for pod in found["items"] if _is_running(pod)]
    return ", ".join(names)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return lines with columns as wide as their contents, as kubectl prints them."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(header))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]


def _condition(request: dict[str, Any], kind: str) -> dict[str, Any]:
    found = request.get("status", {}).get("conditions", [])
    return next((dict(condition) for condition in found if condition["type"] == kind), {})


def _gpus(pod: dict[str, Any]) -> str:
    limits = pod["spec"]["containers"][0].get("resources", {}).get("limits", {})
    return str(limits.get("nvidia.com/gpu", "0"))


def _is_running(pod: dict[str, Any]) -> bool:
    return bool(pod["status"].get("phase") == "Running")
