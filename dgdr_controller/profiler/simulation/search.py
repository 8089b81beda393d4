"""One search, in a worker process: workers are estimated, put together to replicas, and the best are told."""

from collections.abc import Sequence

import numpy as np

from dgdr_api.candidate import Mode, Parallelism, Role
from dgdr_controller.deployment.render import unrenderable_worker
from dgdr_controller.profiler.simulation import pairing
from dgdr_controller.profiler.simulation.aic.estimates import estimate_workers
from dgdr_controller.profiler.simulation.corrections import corrected
from dgdr_controller.profiler.simulation.messages import SHAPE, Found, Row, Search, Workers, shape_of
from dgdr_controller.profiler.simulation.replicas import Numbers, Replicas, worth_showing
from dgdr_controller.profiler.simulation.steps import aggregated_prompt_rate, aggregated_queue


def search(wanted: Search) -> Found:
    """Find the replicas of one engine in one mode that are worth showing.

    Raises:
        Exception: A fault of the simulator.
    """
    if wanted.mode is Mode.DISAGGREGATED and wanted.osl == 1:
        return Found([], "one token of output leaves nothing for a decode worker to do")
    workers = estimate_workers(wanted)
    if not workers.rows:
        return Found([], workers.reason)
    rows = {role: _marked(found, role, wanted) for role, found in workers.rows.items()}
    if wanted.mode is Mode.AGGREGATED:
        return Found(_aggregated(rows[Role.AGGREGATED], wanted), workers.reason)
    return _disaggregated(Workers(rows, workers.reason, same_tp=workers.same_tp), wanted)


def _marked(rows: Sequence[Row], role: Role, wanted: Search) -> list[Row]:
    """Say of each worker whether it can be deployed: engines have the flags, GPUs the memory."""
    shapes = {shape: Parallelism(**dict(zip(SHAPE, shape, strict=True))) for shape in set(map(shape_of, rows))}
    renderable = {
        key: unrenderable_worker(wanted.backend, role, shape, wanted.nodes, wanted.facts, wanted.draft_tokens) is None
        for key, shape in shapes.items()
    }
    return [{**row, "deployable": renderable[shape_of(row)] and row["memory"] <= wanted.usable_gib} for row in rows]


def _aggregated(rows: list[Row], wanted: Search) -> list[Row]:
    """An aggregated worker is a replica by itself."""
    replicas = [
        {
            **row,
            "queue": aggregated_queue(row, wanted.isl),
            "prompt_rate": aggregated_prompt_rate(row, wanted.isl),
        }
        for row in rows
    ]
    numbers: dict[tuple[int, ...], int] = {}

    def column(key: str) -> Numbers:
        return np.array([float(replica[key]) for replica in replicas])

    found = Replicas(
        shape=np.array([numbers.setdefault(shape_of(row), len(numbers)) for row in rows]),
        ttft=column("ttft"),
        itl=column("tpot"),
        rate=column("request_rate"),
        served=column("request_rate"),
        concurrency=column("concurrency"),
        queue=column("queue"),
        decode=column("decode_step"),
        prompts=column("prompt_rate"),
        gpus=column("num_total_gpus"),
        deployable=np.array([row["deployable"] for row in rows]),
        errors=np.zeros(len(rows), dtype=np.int64),
    )
    return [replicas[index] for index in worth_showing(corrected(found, wanted), wanted)]


def _disaggregated(workers: Workers, wanted: Search) -> Found:
    pairs = pairing.pair(workers, wanted)
    if pairs is None:
        return Found([], f"no prefill and decode worker that work together fit in {wanted.total_gpus} GPUs")
    kept = worth_showing(corrected(pairs.replicas, wanted), wanted)
    return Found(list(pairing.rows(pairs, kept, workers)), workers.reason)
