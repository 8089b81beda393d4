"""How long a simulated engine takes, as a performance surface that the mocker reads (``--planner-profile-data``).

The other source of times that the mocker has, ``--ais-perf-model``, is not used here: it needs aisimulate, of which
the package index has development builds alone, which know other engine versions than the plan may name, and which
would double the image (half a gigabyte) and take 15 s to start.
"""

import io
from dataclasses import dataclass
from typing import Self

import numpy as np

_PROMPTS = np.array([1.0, 1_000_000.0])
_CACHED = np.array([0.0, 10_000_000.0])
_CONTEXTS = np.array([1.0, 1_000_000.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times that grow in straight lines.

    Attributes:
        prefill_ms: Of any prompt.
        prefill_ms_per_token: For each of its tokens.
        decode_ms: Of any step.
        decode_ms_per_token: For each token that the KV cache holds for the step.
    """

    prefill_ms: float
    prefill_ms_per_token: float
    decode_ms: float
    decode_ms_per_token: float

    @classmethod
    def of(cls, gpus: int) -> Self:
        """Return about what Qwen3-32B takes on so many H200.

        A token of a prompt takes 65 GFLOP at half of 990 TFLOP/s; a step reads 65 GB of weights and 0.26 MB for each
        cached token at 4.8 TB/s. All of it is spread over the GPUs; 2 ms are for the rest.
        """
        return cls(
            prefill_ms=2.0,
            prefill_ms_per_token=0.13 / gpus,
            decode_ms=2.0 + 13.5 / gpus,
            decode_ms_per_token=5.5e-5 / gpus,
        )

    def surface(self) -> bytes:
        """Return the file that the mocker reads; the same for the same times."""
        decode = np.tile(self.decode_ms + self.decode_ms_per_token * _CACHED[:, None], len(_CONTEXTS))
        file = io.BytesIO()
        np.savez(
            file,
            prefill_isl=_PROMPTS,
            prefill_ttft_ms=self.prefill_ms + self.prefill_ms_per_token * _PROMPTS,
            decode_active_kv_tokens=_CACHED,
            decode_context_length=_CONTEXTS,
            decode_itl=decode,
        )
        return file.getvalue()
