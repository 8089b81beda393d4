"""How many tokens the KV cache of a worker's data-parallel rank holds, as Dynamo's frontend says: ``/metrics``.

Source: ``dynamo.vllm`` 1.6.1 ``capacity.py``, which registers the blocks of one rank.
"""

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

_TIMEOUT_S = 10.0
_MOST_BYTES = 16 * 1024 * 1024
_BLOCKS, _BLOCK_SIZE = "dynamo_frontend_model_total_kv_blocks", "dynamo_frontend_model_kv_cache_block_size"


def kv_tokens(url: str) -> int | None:
    """Return how many tokens the KV cache of one rank holds; None where the endpoint does not say.

    Args:
        url: URL of the frontend.
    """
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # as AIPerf asks
    try:
        with direct.open(f"{url}/metrics", timeout=_TIMEOUT_S) as answer:
            return _product(answer.read(_MOST_BYTES).decode(errors="replace"))
    except OSError:
        return None


def _product(text: str) -> int | None:
    """Return blocks times their size; None where one is missing, or the text is no metrics."""
    try:
        samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    except ValueError:
        return None
    found = {name: max((s.value for s in samples if s.name == name), default=0.0) for name in (_BLOCKS, _BLOCK_SIZE)}
    return int(found[_BLOCKS] * found[_BLOCK_SIZE]) or None
