"""What one simulator process is asked, and what it answers: plain values that cross a process border."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend

Row = Mapping[str, object]
"""One line of the simulator's table, columns as it names them."""


@dataclass(frozen=True, slots=True)
class Search:
    """The search of one engine in one mode.

    Attributes:
        model: What the simulator loads: an id of its own, or a folder.
        system: The simulator's name of the GPU system.
        total_gpus: The budget.
        isl: Mean input length in tokens.
        osl: Mean output length in tokens.
        ttft: Target in ms, or None when the target is for the whole request.
        itl: Target in ms, or None likewise.
        e2e_latency: Target for the whole request in ms, or None.
    """

    model: str
    system: str
    backend: Backend
    mode: Mode
    total_gpus: int
    isl: int
    osl: int
    ttft: float | None
    itl: float | None
    e2e_latency: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: rows, possibly none, and why there are none."""

    rows: list[Row]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the simulator knows of a request before any search.

    Attributes:
        engine: Name of the simulator.
        engine_version: Its version.
        simulated_as: What it loads for this model: an id of its own, or the folder that it was asked about; None: it
            cannot.
        content: The model's config, where it is one that the simulator brings along.
        reason: Why it cannot simulate the model of a folder.
        similar: Known models with a similar name, best first.
        databases: Version of the performance data for each backend that has some for the system.
        systems: Systems that have performance data.
    """

    engine: str
    engine_version: str
    simulated_as: str | None
    content: Mapping[str, Any] | None
    reason: str
    similar: tuple[str, ...]
    databases: Mapping[Backend, str]
    systems: tuple[str, ...]
