"""How fast one worker is at other loads than the planned one: what Dynamo's planner scales by.

Units: ms, tokens, tokens/s for each GPU. Lists of a curve go together by index.
"""

from dgdr_api.candidate import KvCacheDtype, Parallelism, Role
from dgdr_api.model import ApiModel
from dgdr_api.v1beta1 import Backend


class PrefillCurve(ApiModel):
    """Prompts of different length, one at a time."""

    isl: tuple[int, ...]
    ttft: tuple[float, ...]
    tokens_per_s_per_gpu: tuple[float, ...]
    """Input tokens."""


class DecodeCurve(ApiModel):
    """Batches of different size and context."""

    kv_usage: tuple[float, ...]
    """Share of the KV cache that the batch takes, 0 to 1."""
    context_length: tuple[int, ...]
    itl: tuple[float, ...]
    tokens_per_s_per_gpu: tuple[float, ...]
    """Output tokens."""
    max_kv_tokens: int
    """Tokens that the worker's KV cache holds."""


class WorkerCurve(ApiModel):
    """The curve of one worker, and which worker that is."""

    backend: Backend
    role: Role
    parallelism: Parallelism
    kv_cache_dtype: KvCacheDtype
    is_measured: bool = False
    """Whether it was measured; otherwise it is estimated."""
    prefill: PrefillCurve | None = None
    decode: DecodeCurve | None = None
