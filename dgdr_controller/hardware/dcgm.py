"""GPUs of a node as NVIDIA's DCGM exporter measures them: what its metrics say.

Metrics: https://github.com/NVIDIA/dcgm-exporter, file etc/default-counters.csv. Of a GPU in MIG mode each instance has
samples of its own, told by label GPU_I_ID. Fields that a GPU does not have are left out.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

_MEMORY = ("DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED")
"""In MiB; together all that there is. Older exporters leave the last out, half a percent of it."""
_LINKS = "DCGM_FI_DEV_NVLINK_LINK_COUNT"
_TRAFFIC = "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL"
"""Of GPUs with NVLink alone."""
_READ = (*_MEMORY, _LINKS, _TRAFFIC)
_INSTANCE = "GPU_I_ID"
_MOST_MIB = 2**20
_MOST_SAMPLES = 4096
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Measured:
    """What an exporter says.

    Attributes:
        product: Product name of its GPUs; of several kinds the most frequent one.
        vram_mib: Memory of one GPU in MiB, the least of all; None: it does not say.
        interconnect: "nvlink" or "pcie"; None: it does not say.
        is_partitioned: Whether no GPU is whole: all are in MIG mode.
    """

    product: str
    vram_mib: int | None
    interconnect: str | None
    is_partitioned: bool


def read(text: str) -> Measured:
    """Return what an exporter says of its node.

    Args:
        text: Its metrics, in Prometheus' text format.

    Raises:
        ValueError: They are no metrics, or not of GPUs; the message says which.
    """
    samples = [sample for sample in _samples(text) if "gpu" in sample.labels and sample.labels.get("modelName")]
    if not samples:
        raise ValueError("its metrics name no GPU")
    whole = [sample for sample in samples if not sample.labels.get(_INSTANCE)]
    partitioned = {sample.labels["gpu"] for sample in samples if sample.labels.get(_INSTANCE)}
    left = [sample for sample in whole if sample.labels["gpu"] not in partitioned]
    names = {sample.labels["gpu"]: sample.labels["modelName"][:_LONGEST_NAME] for sample in left or samples}
    (product, _), *_ = Counter(sorted(names.values())).most_common(1)
    return Measured(product, _memory(left), _interconnect(left), is_partitioned=not left)


def _samples(text: str) -> Iterator[Sample]:
    """Yield the samples of what is read here; the rest, most of it, is not parsed.

    Raises:
        ValueError: They cannot be parsed, or there are far too many.
    """
    wanted = [line for line in text.splitlines() if line.startswith(_READ)]
    if len(wanted) > _MOST_SAMPLES:
        raise ValueError(f"its metrics have more than {_MOST_SAMPLES} samples of GPUs")
    try:
        for family in text_string_to_metric_families("\n".join(wanted) + "\n"):
            yield from (sample for sample in family.samples if math.isfinite(sample.value) and sample.value >= 0)
    except Exception as error:
        raise ValueError(f"its metrics cannot be parsed: {error}") from error


def _memory(samples: list[Sample]) -> int | None:
    """Return the least memory of a GPU whose free and used memory is known."""
    of_gpu: dict[str, dict[str, float]] = {}
    for sample in samples:
        if sample.name in _MEMORY:
            of_gpu.setdefault(sample.labels["gpu"], {})[sample.name] = sample.value
    sums = [round(sum(parts.values())) for parts in of_gpu.values() if parts.keys() >= set(_MEMORY[:2])]
    return min((mib for mib in sums if 0 < mib <= _MOST_MIB), default=None)


def _interconnect(samples: list[Sample]) -> str | None:
    links = [sample.value for sample in samples if sample.name == _LINKS]
    if links:
        return "nvlink" if min(links) > 0 else "pcie"
    return "nvlink" if any(sample.name == _TRAFFIC for sample in samples) else None
