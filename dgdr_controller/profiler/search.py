"""What one simulator process is asked, and what it answers: plain values that cross a process border."""

from collections.abc import Mapping
from dataclasses import dataclass

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend

Row = Mapping[str, object]
"""One line of the simulator's table, columns as it names them."""


@dataclass(frozen=True, slots=True)
class Search:
    """The search of one engine in one mode.

    Attributes:
        model: Id of the model as the simulator knows it.
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
class ModelFacts:
    """What the simulator knows of a model.

    Attributes:
        model: Its id, spelled as the simulator spells it.
        context_length: Longest sequence that the model was made for, in tokens.
        kv_values_per_token: Numbers that one token adds to the KV cache over all layers, or None where
            the attention does not store plain keys and values.
        experts: Number of experts of a mixture-of-experts model, else 0.
        own_code: Whether its config names code of its own (``auto_map``), which engines run only when told to.
    """

    model: str
    context_length: int
    kv_values_per_token: int | None
    experts: int
    own_code: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """What the simulator knows of a request before any search.

    Attributes:
        engine: Name and version of the simulator.
        model: Facts of the model, or None if it is unknown.
        similar: Known models with a similar name, best first.
        databases: Version of the performance data for each backend that has some for the system.
        systems: Systems that have performance data.
    """

    engine: str
    engine_version: str
    model: ModelFacts | None
    similar: tuple[str, ...]
    databases: Mapping[Backend, str]
    systems: tuple[str, ...]
