"""The longest sequence that an engine is started for. Pure.

Lengths of a workload are means: an engine that is started for little more refuses the longer half of the requests. So
it is started for the model's own context, or for as much as one request may take beside the planned load.
"""

LEAST_MEANS = 4
"""Mean requests that one request may be as long as, where memory allows, at the cost of the load's other requests."""

_CERTAIN = 0.8
"""Share of the free memory that is counted on: an engine that finds less than it is started for does not start."""


def longest_request(mean: int, batch: int, free_tokens: int, limit: int, *, wanted: bool = False) -> int:
    """Return how long one request may be, in tokens; at least the mean, which the estimates are for.

    Args:
        mean: Tokens of a mean request, prompt and output.
        batch: Requests of the planned load, of which the KV cache is part of the estimate.
        free_tokens: Tokens that the KV cache could hold beyond the planned load.
        limit: The longest one that is wanted.
        wanted: Whether somebody asked for it, who may have it at the cost of all other requests of the load.
    """
    free = int(free_tokens * _CERTAIN)
    beside = mean + free
    instead = batch * mean + free
    return max(mean, min(limit, instead if wanted else max(beside, min(LEAST_MEANS * mean, instead))))
