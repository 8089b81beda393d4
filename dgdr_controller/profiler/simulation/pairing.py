"""Replicas of prefill and decode workers: how many of each go together. Pure.

A replica serves as many requests as the slower side lets through (rate matching). The losses of both sides and the
wait for a prefill worker are AIC's figures (``_RATE_MATCH_*_DEGRADATION``, ``_AUTOSCALE_TTFT_CORRECTION_FACTOR``), so
that the numbers are those that AIC would give (a test compares them).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from dgdr_api.candidate import Parallelism, Role
from dgdr_controller.deployment.render import unpairable
from dgdr_controller.profiler.simulation.messages import SHAPE, Row, Search, Workers, shape_of
from dgdr_controller.profiler.simulation.replicas import Indices, Numbers, Replicas, merit

PREFILL_SHARE, DECODE_SHARE = 0.9, 0.92
"""Of its rate, what a worker keeps up while requests come and go."""

QUEUED_TTFT = 1.8
"""TTFT of a request that may have to wait for a prefill worker, in TTFTs of one that need not."""

_MOST_WORKERS = 32
"""Of one role in one replica: more of them are more replicas."""

_WORKER = (*SHAPE, "bs", "kvcache", "memory")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of workers.

    Attributes:
        prefill: Index of each pair's prefill worker.
        decode: Index of its decode worker.
        counts: How many of each there are in a replica; two columns.
        replicas: What they come to. The shape is that of the decode worker, which makes most of the difference.
    """

    prefill: Indices
    decode: Indices
    counts: Indices
    replicas: Replicas


def pair(workers: Workers, wanted: Search) -> Pairs | None:
    """Return the replicas that each prefill and each decode worker make best, or None if none fits in the budget.

    Best are the most requests per second for each GPU of the replica, and what is best for the whole budget or load
    (`replicas.merit`): a replica may leave some GPUs of the budget idle.
    """
    prefills, decodes = workers.rows[Role.PREFILL], workers.rows[Role.DECODE]
    found = [
        _matched(number, prefill, shape, indices, decodes, wanted)
        for number, prefill in enumerate(prefills)
        for shape, indices in enumerate(_shapes(decodes))
        if _fit(prefill, decodes[indices[0]], workers, wanted)
    ]
    return _joined(found) if found else None


def _shapes(rows: Sequence[Row]) -> list[list[int]]:
    """Return the indices of the rows of each shape."""
    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, row in enumerate(rows):
        shapes.setdefault(shape_of(row), []).append(index)
    return list(shapes.values())


def _fit(prefill: Row, decode: Row, workers: Workers, wanted: Search) -> bool:
    if prefill["tp"] != decode["tp"] and workers.same_tp(prefill, decode):
        return False
    shapes = _parallelism(prefill), _parallelism(decode)
    if unpairable(wanted.backend, *shapes, wanted.kv_heads, wanted.facts, wanted.release):
        return False
    return bool(prefill["num_total_gpus"] + decode["num_total_gpus"] <= wanted.total_gpus)


def _parallelism(row: Row) -> Parallelism:
    return Parallelism(**{size: row[size] for size in SHAPE})


def _matched(
    number: int, prefill: Row, shape: int, indices: Sequence[int], decodes: Sequence[Row], wanted: Search
) -> Pairs:
    """Pair one prefill worker with all operating points of one decode shape: a line for each count of workers."""
    worker_gpus = int(prefill["num_total_gpus"]), int(decodes[indices[0]]["num_total_gpus"])
    counts = _counts(worker_gpus, wanted)
    keys = ("request_rate", "tpot", "concurrency", "deployable")
    of = {key: np.array([decodes[i][key] for i in indices]) for key in keys}
    sides = counts[:, :1] * prefill["request_rate"] * PREFILL_SHARE, counts[:, 1:] * of["request_rate"] * DECODE_SHARE
    rate = np.minimum(*sides)
    concurrency = counts[:, 1:] * of["concurrency"]
    gpus = np.broadcast_to((counts @ np.array(worker_gpus))[:, None], rate.shape).astype(np.float64)
    best = np.concatenate(
        [
            np.argmax(rate / gpus - 1e-9 * gpus, axis=0),  # of equals the smaller one
            np.argmax(merit(rate, concurrency, gpus, wanted), axis=0),
        ]
    )
    columns = np.tile(np.arange(len(indices)), 2)
    chosen = counts[best]
    # Where the planner brings both sides into proportion, GPUs spend their time on each request: none waits.
    scaled = gpus / (worker_gpus[0] / sides[0] + worker_gpus[1] / sides[1]) if wanted.autoscale else rate
    return Pairs(
        prefill=np.full(best.size, number),
        decode=np.array(indices)[columns],
        counts=chosen,
        replicas=Replicas(
            shape=np.full(best.size, shape),
            ttft=np.full(best.size, prefill["ttft"] * QUEUED_TTFT),
            itl=of["tpot"][columns],
            rate=scaled[best, columns],
            served=rate[best, columns],
            concurrency=concurrency[best, columns],
            queue=prefill["ttft"] * concurrency[best, columns] / (chosen[:, 0] * prefill["dp"]),
            decode=of["tpot"][columns],
            prompts=chosen[:, 0] * prefill["request_rate"] * PREFILL_SHARE,
            gpus=gpus[best, columns],
            deployable=of["deployable"][columns] & prefill["deployable"],
            errors=np.zeros(best.size, dtype=np.int64),
        ),
    )


def _counts(worker_gpus: tuple[int, int], wanted: Search) -> Indices:
    """Return how many prefill and decode workers of so many GPUs each there may be, two columns."""
    if wanted.autoscale:
        return np.array([(1, 1)])
    budget = wanted.total_gpus
    return np.array(
        [
            (prefill, decode)
            for prefill in range(1, min(_MOST_WORKERS, budget // worker_gpus[0]) + 1)
            for decode in range(1, min(_MOST_WORKERS, (budget - prefill * worker_gpus[0]) // worker_gpus[1]) + 1)
        ]
    )


def _joined(parts: Sequence[Pairs]) -> Pairs:
    replicas = {
        field.name: np.concatenate([getattr(part.replicas, field.name) for part in parts]) for field in fields(Replicas)
    }
    return Pairs(
        prefill=np.concatenate([part.prefill for part in parts]),
        decode=np.concatenate([part.decode for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        replicas=Replicas(**replicas),
    )


def rows(pairs: Pairs, indices: Sequence[int], workers: Workers) -> Iterator[Row]:
    """Yield replicas as rows, columns named as in AIC's tables: ``(p)`` and ``(d)`` before those of a worker."""
    numbers: dict[str, Numbers] = {
        "ttft": pairs.replicas.ttft,
        "tpot": pairs.replicas.itl,
        "request_rate": pairs.replicas.served,
        "concurrency": pairs.replicas.concurrency,
        "queue": pairs.replicas.queue,
        "decode_step": pairs.replicas.decode,
        "prompt_rate": pairs.replicas.prompts,
        "num_total_gpus": pairs.replicas.gpus,
    }
    for index in indices:
        prefill = workers.rows[Role.PREFILL][int(pairs.prefill[index])]
        decode = workers.rows[Role.DECODE][int(pairs.decode[index])]
        yield {
            **{key: float(column[index]) for key, column in numbers.items()},
            **{f"(p){key}": prefill[key] for key in _WORKER},
            **{f"(d){key}": decode[key] for key in _WORKER},
            "(p)request_rate": prefill["request_rate"] * PREFILL_SHARE,
            "(d)request_rate": decode["request_rate"] * DECODE_SHARE,
            "(p)workers": int(pairs.counts[index, 0]),
            "(d)workers": int(pairs.counts[index, 1]),
            "sources": sorted({*prefill["sources"], *decode["sources"]}),
        }
