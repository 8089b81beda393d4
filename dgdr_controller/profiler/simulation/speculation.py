"""What speculative decoding is assumed to gain: how many drafted tokens a step accepts. Pure."""

ACCEPTANCE = 0.8
"""Chance that a drafted token is accepted after those before it. DeepSeek-V3's report measures 85 to 90 % for the first
one; other texts than those measured and further tokens are accepted less."""


def accepted(draft_tokens: int) -> float:
    """Return how many of so many drafted tokens are accepted in a step, on average."""
    return sum(ACCEPTANCE**position for position in range(1, draft_tokens + 1))
