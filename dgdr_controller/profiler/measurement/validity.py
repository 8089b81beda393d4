"""When a benchmark's run counts: lengths, prefix cache, number of requests, steady load. Pure.

One set of rules for runs that are compared with estimates and for those that a search starts itself.
"""

import math

TOLERANCE = 0.1
"""Relative difference in lengths and load up to which a run is of what was asked for."""
_TEMPLATE_TOKENS = 30
"""Tokens that a chat template adds to a prompt."""
_LEAST_ROUNDS = 5
"""Requests for each one in flight: those that start at once wait for each other, and the mean is for ten of them."""
_LEAST_REQUESTS = 20
_STEADY = 0.25
"""Relative difference between the throughput and what the requests in flight make of it (Little's law).

Public measurements differ by 2 to 3 %, runs of the fewest rounds that count by the share of their first and last.
"""


def fewest_requests(concurrency: float) -> int:
    """Return how many requests a mean takes at a load.

    Args:
        concurrency: Requests in flight.
    """
    return max(_LEAST_REQUESTS, math.ceil(_LEAST_ROUNDS * concurrency))


def is_prompt_of(measured: float, isl: int) -> bool:
    """Say whether prompts of a run, with their chat template, are as long as asked for; both in tokens."""
    return abs(measured - isl) <= max(TOLERANCE * isl, _TEMPLATE_TOKENS)


def is_mostly_read(cached: float, isl: int) -> bool:
    """Say whether prompts are read: no more of their tokens came from the prefix cache than is no matter."""
    return cached <= TOLERANCE * isl


def sustained_tokens_per_s(concurrency: float, ttft: float, itl: float, osl: float) -> float:
    """Return the output tokens/s of so many requests that are always in flight (Little's law).

    Args:
        concurrency: Requests in flight.
        ttft: Mean time to first token in ms.
        itl: Mean time between tokens in ms.
        osl: Output tokens of a request.
    """
    return concurrency * osl / (ttft + itl * (osl - 1)) * 1000


def is_steady(tokens_per_s: float, sustained: float) -> bool:
    """Say whether a run's throughput is that of a load that was there from its beginning to its end."""
    return abs(tokens_per_s - sustained) <= _STEADY * sustained
