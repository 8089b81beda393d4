"""Estimates each measured point, with the adapter that ships: what `dgdr plan` would say of the same deployment."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from operator import call
from pathlib import Path
from typing import Any

from dgdr_api.candidate import Mode, Role
from dgdr_controller.deployment.render import Nodes
from dgdr_controller.profiler.calibration import Simulated
from dgdr_controller.profiler.simulation.aic.estimates import Estimator, row_of
from dgdr_controller.profiler.simulation.aic.package import PRELOAD, module
from dgdr_controller.profiler.simulation.aic.task import PREFIXES, task_of
from dgdr_controller.profiler.simulation.messages import Row, Search
from dgdr_controller.profiler.simulation.operating_points import Point
from dgdr_controller.profiler.simulation.pairing import DECODE_SHARE, PREFILL_SHARE, QUEUED_TTFT
from dgdr_controller.profiler.simulation.shapes import Parallel
from dgdr_controller.profiler.simulation.steps import aggregated_prompt_rate, aggregated_queue
from dgdr_controller.profiler.simulation.worker_pool import Answered, Lost, Refused, WorkerPool
from hack.calibration.measurements import Checkpoint, MeasuredWorker, Measurement, Measurements, read

ENGINE = "aiconfigurator"
DATA = "systems/silicon_sample.csv"
_CORE = "aiconfigurator-core"
_ROOT = Path(__file__).parents[2]
_CACHE = _ROOT / "out" / "calibration"
_SOURCES = (
    *(_ROOT / "dgdr_controller" / "profiler" / "simulation").rglob("*.py"),
    Path(__file__),
    Path(__file__).with_name("measurements.py"),
)
"""What an estimate depends on, beside AIC: the adapter, `measurements` and this module."""

_DEADLINE_S = 7200
_MOST_GPUS = 4096
_LONGEST_CHUNK = 8192
"""Tokens of prompts in one step that all three engines allow by default on these GPUs."""


class EstimatesError(Exception):
    """The simulator failed: not that it cannot estimate a point, which is an answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured point with what is estimated for it.

    Attributes:
        measured: The measurement.
        simulated: What the simulator says of it.
    """

    measured: Measurement
    simulated: Simulated


@dataclass(frozen=True, slots=True)
class Samples:
    """All that can be estimated.

    Attributes:
        samples: The points.
        measurements: What was read.
        unused: How many measurements are not in it, by reason.
        version: The simulator's.
    """

    samples: tuple[Sample, ...]
    measurements: Measurements
    unused: Mapping[str, int]
    version: str


def installed() -> Path:
    """Return the file of measurements of the installed AIC."""
    return Path(str(metadata.distribution(_CORE).locate_file(f"aiconfigurator_core/{DATA}")))


def samples() -> Samples:
    """Read the installed measurements and estimate them: minutes of two cores; a second time, what was found is read.

    Raises:
        MeasurementsError: The file is not what is expected.
        EstimatesError: The simulator failed.
    """
    measurements, version = read(installed()), metadata.version(ENGINE)
    key = hashlib.sha256(f"{version} {measurements.sha256}".encode())
    for source in sorted(_SOURCES):
        key.update(source.read_bytes())
    cached = _CACHE / f"estimates-{key.hexdigest()[:16]}.json"
    if not cached.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        cached.write_text(json.dumps(dict(_estimated(measurements.points))), encoding="utf-8")
    answers: dict[str, Any] = json.loads(cached.read_text(encoding="utf-8"))
    found, unused = [], dict(measurements.unused)
    for point in measurements.points:
        answer = answers[str(point.line)]
        if isinstance(answer, str):
            reason = f"not estimated: {answer}"
            unused[reason] = unused.get(reason, 0) + 1
        else:
            found.append(Sample(point, _simulated(point, answer)))
    return Samples(tuple(found), measurements, unused, version)


def _simulated(point: Measurement, answer: Mapping[str, float]) -> Simulated:
    return Simulated(
        backend=point.backend, mode=point.mode, isl=point.isl, osl=point.osl, concurrency=point.concurrency,
        gpus=point.gpus, draft_tokens=0, **answer,
    )  # fmt: skip


def _estimated(points: Sequence[Measurement]) -> Iterator[tuple[int, dict[str, float] | str]]:
    """Yield what is estimated of each line, or why nothing is."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for point in points:
        groups.setdefault((point.system, point.backend), []).append(point)
    items = [partial(_of_database, group) for group in groups.values()]
    for event in WorkerPool(preload=PRELOAD, slots=1).run(call, items, _DEADLINE_S):
        match event:
            case Answered(answer=answer):
                yield from answer
            case Refused(error=error, message=message):
                raise EstimatesError(f"{error}: {message}")
            case Lost(reason=reason):
                raise EstimatesError(f"a process of the simulator: {reason}")


def _of_database(points: Sequence[Measurement]) -> list[tuple[int, dict[str, float] | str]]:
    """Estimate the points of one engine on one system; runs in a worker process, which loads their data once."""
    groups: dict[object, list[Measurement]] = {}
    for point in points:
        groups.setdefault((point.checkpoint, point.mode, point.isl, point.osl), []).append(point)
    return [answer for group in groups.values() for answer in _of_workload(group)]


def _of_workload(points: Sequence[Measurement]) -> Iterator[tuple[int, dict[str, float] | str]]:
    first = points[0]
    wanted = Search(
        model=first.checkpoint.simulated_as, system=first.system, backend=first.backend, mode=first.mode,
        total_gpus=_MOST_GPUS, nodes=Nodes(8), usable_gib=0, kv_heads=None, isl=first.isl, osl=first.osl,
    )  # fmt: skip
    workers = _Workers(wanted, first.checkpoint)
    for point in points:
        try:
            rows = {worker.role: workers.row(worker) for worker in point.workers}
        except Exception as error:  # noqa: BLE001 - what AIC cannot estimate comes as any type
            yield point.line, _reason(error)
            continue
        found = {role: row for role, row in rows.items() if row is not None}
        if len(found) < len(rows):
            yield point.line, "does not fit in memory"
        elif point.mode is Mode.AGGREGATED:
            yield point.line, _of_aggregated(found[Role.AGGREGATED], point)
        else:
            yield point.line, _of_pair(found[Role.PREFILL], found[Role.DECODE], point)


class _Workers:
    """Estimates workers of one workload; one that was asked for before has its model at hand."""

    def __init__(self, wanted: Search, checkpoint: Checkpoint) -> None:
        task = task_of(wanted)
        self._estimators = {role: Estimator.of(task, wanted, role) for role in PREFIXES[wanted.mode]}
        self._checkpoint = checkpoint
        self._known: dict[tuple[Role, Parallel], tuple[Any, Callable[[Point], Any]]] = {}

    def row(self, worker: MeasuredWorker) -> Row | None:
        """Return the adapter's row of a worker, or None where AIC says that it does not fit in memory."""
        estimator, shape = self._estimators[worker.role], worker.parallelism
        key = worker.role, (shape.tp, shape.pp, shape.dp, shape.moe_tp, shape.moe_ep, shape.cp)
        if key not in self._known:
            config = _quantised(estimator.config(key[1]), self._checkpoint)
            self._known[key] = config, estimator.predictor(config)
        config, predict = self._known[key]
        chunk = min(estimator.wanted.isl, _LONGEST_CHUNK) if worker.role is Role.AGGREGATED else 0
        at = Point(worker.batch, chunk)
        summary = predict(at)
        if summary.check_oom() or summary.check_kv_cache_oom():
            return None
        return row_of(summary, worker.role, config, at, estimator.wanted)


def _reason(error: Exception) -> str:
    words = " ".join(str(error).split())
    if module("sdk.perf_database").has_perf_data_not_available_cause(error):
        kind = "experts across nodes" if "Cross-node" in words else "an operator of its experts"
        return f"AIC has no data of {kind}"
    return "AIC cannot divide it so" if isinstance(error, ValueError) else type(error).__name__


def _quantised(config: Any, checkpoint: Checkpoint) -> Any:
    """Return a worker's configuration with the number formats that AIC has no checkpoint with."""
    common = module("sdk.common")
    formats = {
        "gemm_quant_mode": (common.GEMMQuantMode, checkpoint.gemm),
        "moe_quant_mode": (common.MoEQuantMode, checkpoint.moe),
        "kvcache_quant_mode": (common.KVCacheQuantMode, checkpoint.kv_cache),
    }
    return dataclasses.replace(config, **{field: known[name] for field, (known, name) in formats.items() if name})


def _of_aggregated(row: Row, point: Measurement) -> dict[str, float]:
    return {
        "ttft": row["ttft"],
        "itl": row["tpot"],
        "tokens_per_s_per_gpu": row["request_rate"] * point.osl / point.gpus,
        "queue": aggregated_queue(row, point.isl),
        "decode": row["decode_step"],
        "most_tokens_per_s_per_gpu": aggregated_prompt_rate(row, point.isl) * point.osl / point.gpus,
    }


def _of_pair(prefill: Row, decode: Row, point: Measurement) -> dict[str, float]:
    """Return the estimate of a prefill and a decode worker as `pairing` puts them together."""
    prefills, decodes = (worker.count for worker in point.workers)
    prompts = prefills * prefill["request_rate"] * PREFILL_SHARE
    rate = min(prompts, decodes * decode["request_rate"] * DECODE_SHARE)
    ranks = prefills * point.workers[0].parallelism.dp
    return {
        "ttft": prefill["ttft"] * QUEUED_TTFT,
        "itl": decode["tpot"],
        "tokens_per_s_per_gpu": rate * point.osl / point.gpus,
        "queue": prefill["ttft"] * point.concurrency / ranks,
        "decode": decode["tpot"],
        "most_tokens_per_s_per_gpu": prompts * point.osl / point.gpus,
    }
