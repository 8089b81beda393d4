"""The operating points at which a worker is looked at. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Role

_STEPS = ((32, 1), (128, 4), (512, 8))
"""Batches up to the first number are looked at in steps of the second: 3 to 6 %, finer than estimates are true."""

_MOST_PROMPTS = 2
_CHUNK_STEP, _CHUNK_LIMIT = 512, 8192
"""Tokens. Engine steps of more than the limit, or of more than two prompts, gain nothing and delay the others."""


@dataclass(frozen=True, slots=True)
class Point:
    """An operating point.

    Attributes:
        batch: Requests at a time, of each attention-DP rank.
        chunk: Tokens of prompts in one engine step of an aggregated worker; 0 for other roles.
    """

    batch: int
    chunk: int = 0


def operating_points(role: Role, isl: int) -> Iterator[list[Point]]:
    """Yield the points of each batch, by rising need of memory within a batch and from batch to batch.

    A prefill worker takes one prompt at a time: more of them raise everybody's TTFT and hardly the throughput.
    """
    for batch in (1,) if role is Role.PREFILL else batches():
        yield (
            [Point(batch, chunk) for chunk in chunks(isl) if _balanced(batch, chunk, isl)]
            if (role is Role.AGGREGATED)
            else [Point(batch)]
        )


def batches() -> list[int]:
    """Return the batches that are looked at, rising."""
    found = [1]
    for limit, step in _STEPS:
        found += range(found[-1] + step, limit + 1, step)
    return found


def chunks(isl: int) -> list[int]:
    """Return how many tokens of prompts of this length one engine step may take, rising.

    Prompts are not cut: a chunk holds one prompt or several.
    """
    step = max(isl, _CHUNK_STEP)
    most = max(_CHUNK_LIMIT, _MOST_PROMPTS * isl)
    return sorted({isl, _MOST_PROMPTS * isl, *range(step, most + 1, step)})


def _balanced(batch: int, chunk: int, isl: int) -> bool:
    """Whether requests are left that decode while the prompts of one step are read; one alone does both in turn."""
    prompts = -(-chunk // isl)
    return prompts < batch or prompts == batch == 1
