"""What AIPerf is asked to do, as its configuration file (``aiperf profile --config``): a phase for each load. Pure.

The options and why each is set: measured on AIPerf 0.13 with Dynamo 1.6.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dgdr_controller.manifest import Manifest
from dgdr_controller.profiler.measurement.validity import fewest_requests

_TOKENS_OF_A_USER = 500
"""Output tokens for each request in flight: with short answers, the start and the end of each weigh more."""
_MOST_ROUNDS = 20
_MOST_WARM_UP = 16
"""Requests after which an engine has allocated and compiled what it does at its first ones."""
_SHORTEST_TIMEOUT_S = 1.0
_SEEDS = 2**32
_REQUESTS_OF_A_WORKER = 64
"""Requests in flight of one of AIPerf's processes, which by itself starts one for each core of the node."""
_WORKERS_OF_A_PROCESSOR = 4
"""Workers whose answers one more process evaluates: AIPerf's own ratio."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is measured.

    Attributes:
        url: URL in front of ``/v1``.
        model: Name that clients ask for.
        tokenizer: Folder with the model's tokenizer, or its id on the Hugging Face hub: prompts are made with it.
        isl: Input tokens of each request.
        osl: Output tokens of each request.
    """

    url: str
    model: str
    tokenizer: str
    isl: int
    osl: int


@dataclass(frozen=True, slots=True)
class Load:
    """A load that is measured.

    Attributes:
        concurrency: Requests in flight.
        requests: Requests that are measured.
        warmup: Requests before them that are not.
    """

    concurrency: int
    requests: int
    warmup: int

    @property
    def phase(self) -> str:
        """Name of its phase."""
        return f"load-{self.concurrency}"


def load_of(concurrency: int, osl: int, least: int = 0) -> Load:
    """Return how a number of requests in flight is measured.

    Each of them is followed by at least four more, so that those that start at once do not decide the mean; with
    answers of less than 100 tokens, by as many as make 500 tokens, up to 19 more.

    Args:
        concurrency: Requests in flight.
        osl: Output tokens of each.
        least: Requests that are measured at least.
    """
    rounds = min(_MOST_ROUNDS, math.ceil(_TOKENS_OF_A_USER / osl))
    requests = max(fewest_requests(concurrency), rounds * concurrency, least)
    return Load(concurrency, requests, warmup=min(concurrency, _MOST_WARM_UP))


def configuration(endpoint: Endpoint, loads: Sequence[Load], folder: Path, seed: int, timeout_s: float) -> Manifest:
    """Return AIPerf's configuration.

    Args:
        endpoint: What is measured.
        loads: The loads, in this order, each at a concurrency of its own.
        folder: Folder for what AIPerf writes.
        seed: Decides the prompts: the same ones would be in the prefix cache.
        timeout_s: Longest request in seconds.
    """
    workers = math.ceil(max(load.concurrency for load in loads) / _REQUESTS_OF_A_WORKER)
    extra = {"ignore_eos": True, "min_tokens": endpoint.osl}  # every answer is as long as asked for
    return {
        "schemaVersion": "2.0",
        "randomSeed": seed % _SEEDS,
        "benchmark": {
            "model": endpoint.model,
            "endpoint": {
                "url": endpoint.url,
                "type": "chat",
                "streaming": True,
                "timeout": round(max(timeout_s, _SHORTEST_TIMEOUT_S), 1),
                # On a connection that is used again, Dynamo's frontend holds the first tokens back until an ACK.
                "connectionReuse": "never",
                # Text that is tokenized again has another number of tokens than the engine has made.
                "useServerTokenCount": True,
                "extra": extra,
            },
            "tokenizer": {"name": endpoint.tokenizer},
            "dataset": {
                "type": "synthetic",
                # A prompt for each request: one that was seen before is in the prefix cache.
                "entries": sum(load.requests + load.warmup for load in loads),
                "isl": {"mean": endpoint.isl, "stddev": 0},
                "osl": {"mean": endpoint.osl, "stddev": 0},
            },
            "phases": [phase for load in loads for phase in _phases(load)],
            "gpuTelemetry": {"enabled": False},
            "serverMetrics": {"enabled": False},
            "artifacts": {"dir": str(folder)},
            "runtime": {
                "ui": "none",
                "workers": workers,
                "recordProcessors": math.ceil(workers / _WORKERS_OF_A_PROCESSOR),
            },
        },
    }


def _phases(load: Load) -> Iterator[Manifest]:
    common = {"type": "concurrency", "concurrency": load.concurrency}
    yield {"name": f"warmup-{load.concurrency}", "kind": "warmup", "requests": load.warmup, **common}
    yield {"name": load.phase, "kind": "profiling", "requests": load.requests, **common}
