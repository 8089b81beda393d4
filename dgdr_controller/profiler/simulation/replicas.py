"""Many replicas as arrays, and which of them are worth showing. Pure.

There are hundreds of thousands of them for a large mixture of experts; only what is kept becomes rows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dgdr_controller.profiler.simulation.messages import Search

Numbers = NDArray[np.float64]
Indices = NDArray[np.int64]

_SAMPLES_PER_OCTAVE = 2
"""Of ITL: losers that are shown of each shape, to see where it would be good."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """A replica per element.

    Attributes:
        shape: Number of its shape; replicas of one shape differ in operating point and counts of workers.
        ttft: In ms.
        itl: In ms.
        rate: Requests per second; with the planner of as many GPUs, once both sides are in proportion.
        served: Requests per second that it serves as it is.
        concurrency: Requests at a time.
        queue: Time in ms that the prompts of all requests in flight take.
        decode: A step in ms that only decodes.
        prompts: Requests per second whose prompts can be read, if nothing else is done.
        gpus: GPUs of one replica.
        deployable: Whether engines have the flags and the memory for it.
        errors: Number of the row of errors that its estimates fall under; 0 where none is known.
    """

    shape: Indices
    ttft: Numbers
    itl: Numbers
    rate: Numbers
    served: Numbers
    concurrency: Numbers
    queue: Numbers
    decode: Numbers
    prompts: Numbers
    gpus: Numbers
    deployable: NDArray[np.bool_]
    errors: Indices


def merit(rate: Numbers, concurrency: Numbers, gpus: Numbers, wanted: Search) -> Indices:
    """Rank replicas, apart from latency: more is better, equals are equal. So rank `selection.scale` and `choose`.

    Without a load: requests per second that as many replicas serve as the budget holds. With one: the share that they
    serve, then fewer GPUs, then requests per second for each GPU. With the planner: requests per second for each GPU.
    """
    if wanted.autoscale:
        return _ranks(rate / gpus, -gpus)
    affordable = wanted.total_gpus // gpus
    if wanted.request_rate is None and wanted.concurrency is None:
        return _ranks(rate * affordable, -gpus)
    load = concurrency / wanted.concurrency if wanted.concurrency else rate / float(wanted.request_rate or 1)
    with np.errstate(divide="ignore"):
        replicas = np.maximum(1, np.minimum(affordable, np.ceil(1 / load)))
    return _ranks(np.minimum(1, replicas * load), -replicas * gpus, rate / gpus)


def _ranks(*keys: Numbers) -> Indices:
    """Return each element's place in the order by the first key, then the second, and so on."""
    flat = [_significant(key.ravel()) for key in keys]
    order = np.lexsort(flat[::-1])
    rises = np.zeros(order.size, dtype=np.int64)
    for key in flat:
        rises[1:] |= np.diff(key[order]) != 0
    ranks = np.empty(order.size, dtype=np.int64)
    ranks[order] = np.cumsum(rises)
    return ranks.reshape(keys[0].shape)


def _significant(values: Numbers) -> Numbers:
    """Round to nine digits: what differs by less differs by the order of additions."""
    with np.errstate(divide="ignore"):
        magnitude = np.where(values == 0, 0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (8 - magnitude)
    return np.asarray(np.round(values * scale) / scale)


def worth_showing(replicas: Replicas, wanted: Search) -> list[int]:
    """Return the replicas that no other one with the same errors beats, and samples of every shape's best.

    Whatever the objective and the targets, the best replica is among them: every rank of `selection` gets better with
    TTFT, with ITL and with merit, and so does the chance to meet targets where errors are the same. So is the best of
    those that can be deployed; the others show what is missed.
    """
    merits = merit(replicas.rate, replicas.concurrency, replicas.gpus, wanted)
    kept: set[int] = set()
    for row in np.unique(replicas.errors):
        alike = replicas.errors == row
        kept.update(_front(np.flatnonzero(alike).tolist(), replicas, merits))
        if not replicas.deployable[alike].all():
            kept.update(_front(np.flatnonzero(alike & replicas.deployable).tolist(), replicas, merits))
    octaves = np.floor(_SAMPLES_PER_OCTAVE * np.log2(np.maximum(replicas.itl, 1e-3))).astype(np.int64)
    samples: dict[tuple[int, int], int] = {}
    for index in np.lexsort((replicas.ttft, -merits)).tolist():
        samples.setdefault((int(replicas.shape[index]), int(octaves[index])), index)
    return sorted(kept.union(samples.values()))


def _front(indices: Iterable[int], replicas: Replicas, merits: Indices) -> list[int]:
    """Return the non-dominated ones: by falling merit, one is new where it is faster than all before it in something.

    Those found so far form a staircase: rising TTFT, falling ITL.
    """
    order = sorted(indices, key=lambda i: (-merits[i], replicas.ttft[i], replicas.itl[i]))
    ttft, itl = replicas.ttft.tolist(), replicas.itl.tolist()
    front: list[int] = []
    steps_ttft: list[float] = []
    steps_itl: list[float] = []
    for index in order:
        after = bisect_right(steps_ttft, ttft[index])
        if after and steps_itl[after - 1] <= itl[index]:
            continue
        front.append(index)
        at = bisect_left(steps_ttft, ttft[index])
        while at < len(steps_ttft) and steps_itl[at] >= itl[index]:
            del steps_ttft[at], steps_itl[at]
        steps_ttft.insert(at, ttft[index])
        steps_itl.insert(at, itl[index])
    return front
