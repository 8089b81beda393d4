"""What the planner made of the requests of the matrix and the recipes, as far as rendering needs it.

Planning all of them takes an hour, rendering them a second. So the runs that plan them (``make matrix PLANS=write``,
``make recipes PLANS=write``) write down what they come to, and what is rendered of it is judged where no simulator
runs. The files hold candidates and no command lines: those are always rendered by the code as it is.

A plan has hundreds of candidates that differ in numbers alone. For each kind of worker (engine, role, parallelism,
format of the KV cache, drafts) the candidate that gives it the most requests at once is kept, and what is deployed.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dgdr_api.candidate import Candidate
from dgdr_api.results import Results
from dgdr_api.v1beta1 import Backend

FOLDER = Path(__file__).with_name("plans")
JUDGED = (Backend.VLLM, Backend.SGLANG)
"""TensorRT-LLM publishes no wheel where the others do: nobody here can judge it."""
_NOT_RENDERED: Any = {
    **dict.fromkeys(("candidates", "pareto", "warnings", "searches", "curves"), True),
    "provenance": {"notes"},
}
_LEFT_OUT: Any = {
    **dict.fromkeys(("id", "gpus", "gpus_per_replica", "performance", "verdict"), True),
    "workers": {"__all__": {"memory_gib", "request_rate"}},
}
"""Of a candidate: what follows from the rest, and what nothing that is rendered depends on."""


def path(request: str) -> Path:
    """Return the file of a request, by its id in ``requests.yaml``."""
    return FOLDER / f"{request}.json"


def record(request: str, results: Results) -> None:
    """Write down what a request came to, if the variable ``PLANS`` is ``write``."""
    if os.environ.get("PLANS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path(request).write_text(text(results), encoding="utf-8")


def text(results: Results) -> str:
    """Return the content of a file: a line for what they have in common, and one for each candidate."""
    common = results.model_dump(
        mode="json",
        exclude=_NOT_RENDERED,
        exclude_none=True,
        exclude_defaults=True,
    )
    candidates = [
        candidate.model_dump(
            mode="json",
            exclude=_LEFT_OUT,
            exclude_none=True,
            exclude_defaults=True,
        )
        for candidate in _kept(results)
    ]
    return "\n".join(json.dumps(part, separators=(",", ":")) for part in (common, *candidates)) + "\n"


def read(file: Path) -> Results:
    """Read a file as results that have these candidates, unjudged, and no numbers."""
    common, *candidates = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return Results.model_validate_json(json.dumps({**common, "candidates": candidates, "pareto": []}))


def _kept(results: Results) -> Iterator[Candidate]:
    """Return what is deployed, and the fewest others in which each kind of worker has its largest batch."""
    largest: dict[tuple[object, ...], tuple[int, Candidate]] = {}
    for candidate in results.candidates:
        if candidate.is_offered and candidate.backend in JUDGED:
            for worker in candidate.workers:
                shape = (worker.role, str(worker.parallelism), worker.kv_cache_dtype)
                kind = (candidate.backend, candidate.draft_tokens, *shape)
                if kind not in largest or worker.batch > largest[kind][0]:
                    largest[kind] = (worker.batch, candidate)
    choice = [results.choice] if results.choice else []
    yield from {candidate.id: candidate for candidate in (*choice, *(kept for _, kept in largest.values()))}.values()
