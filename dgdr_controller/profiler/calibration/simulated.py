"""What a correction needs to know of an estimate: the simulator's own steps, and the load. Pure."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend

BOUNDS = (0.1, 0.3)
"""Shares of an engine's time that prompts take, between regimes: they part the measurements into thirds of like size.
"""


class Regime(StrEnum):
    """How much of an engine's time goes into reading prompts."""

    LIGHT = "light prompts"
    MEDIUM = "medium prompts"
    HEAVY = "heavy prompts"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the simulator says of one replica. Times are in ms.

    Attributes:
        backend: The engine.
        mode: Aggregated or disaggregated.
        isl: Input length in tokens.
        osl: Output length in tokens.
        concurrency: Requests in flight.
        gpus: GPUs of the replica.
        ttft: Time to first token: the steps that read one prompt, times the simulator's own factor for waiting.
        itl: Time between tokens.
        tokens_per_s_per_gpu: Output tokens per second and GPU.
        queue: The steps that read, one after the other, the prompts of all requests that share an engine.
        decode: A step that decodes and reads no prompt.
        most_tokens_per_s_per_gpu: Output tokens per second and GPU whose prompts can be read, if nothing else is done.
        draft_tokens: Tokens that are drafted in each step; 0: none.
    """

    backend: Backend
    mode: Mode
    isl: int
    osl: int
    concurrency: float
    gpus: int
    ttft: float
    itl: float
    tokens_per_s_per_gpu: float
    queue: float
    decode: float
    most_tokens_per_s_per_gpu: float = math.inf
    draft_tokens: int = 0

    @property
    def share_of_prompts(self) -> float:
        """The share of the time that the engine spends on prompts when every request is answered once, 0 to 1."""
        decoding = self.osl * self.decode
        return self.queue / (self.queue + decoding) if decoding else 1.0

    @property
    def regime(self) -> Regime:
        """How much of the engine's time goes into prompts."""
        return list(Regime)[bisect_right(BOUNDS, self.share_of_prompts)]
