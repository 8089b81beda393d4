"""The operating points at which a worker is looked at. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Role

_STEPS = ((32, 1), (128, 4), (256, 8), (512, 16), (1024, 32))
"""Batches up to the first number are looked at in steps of the second: 3 to 6 %, finer than estimates are true."""

STEP_MULTIPLE = 64
"""Tokens of a step are rounded up to this when it is deployed: engines allocate in blocks of 16 to 64 tokens."""

_MOST_PROMPTS = 2
_CHUNK_STEP, _CHUNK_LIMIT = 512, 8192
"""Tokens. Engine steps of more than the limit, or of more than two prompts, gain nothing and delay the others."""

LONGEST_STEP = 32768
"""Tokens. Longer steps take memory from the KV cache and hold up every running request; no recipe has them."""

_PARTS = (2048, 4096, 8192, 16384, LONGEST_STEP)
"""Tokens of one step where a long prompt is cut; hand-tuned recipes for long prompts have 8192 to 32768."""


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
    """Yield the points of each batch, by rising need of memory within a batch and from batch to batch."""
    for batch in _prompts_at_once(isl) if role is Role.PREFILL else batches():
        yield (
            [Point(batch, chunk) for chunk in chunks(isl) if _balanced(batch, chunk, isl)]
            if (role is Role.AGGREGATED)
            else [Point(batch)]
        )


def _prompts_at_once(isl: int) -> list[int]:
    """Return how many prompts a prefill worker may take at once: several short ones fill a step as one long does."""
    found = [1]
    while 2 * found[-1] * isl <= _CHUNK_LIMIT:
        found.append(2 * found[-1])
    return found


def batches() -> list[int]:
    """Return the batches that are looked at, rising."""
    found = [1]
    for limit, step in _STEPS:
        found += range(found[-1] + step, limit + 1, step)
    return found


def chunks(isl: int) -> list[int]:
    """Return how many tokens of prompts of this length one engine step may take, rising.

    A chunk holds one prompt, several, or a part of a long one.
    """
    step = max(isl, _CHUNK_STEP)
    most = max(_CHUNK_LIMIT, _MOST_PROMPTS * isl)
    whole = {isl, _MOST_PROMPTS * isl, *range(step, most + 1, step)}
    parts = {part for part in _PARTS if part < isl}
    found: list[int] = []
    for chunk in sorted(parts | {chunk for chunk in whole if chunk <= LONGEST_STEP}):
        if not found or chunk - found[-1] >= STEP_MULTIPLE:  # closer ones are deployed alike
            found.append(chunk)
    return found


def _balanced(batch: int, chunk: int, isl: int) -> bool:
    """Whether requests are left that decode while the prompts of one step are read; one alone does both in turn."""
    prompts = -(-chunk // isl)
    return prompts < batch or prompts == batch == 1
