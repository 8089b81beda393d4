"""Reads the public measurements that AIC's package ships, ``systems/silicon_sample.csv``.

What is refused is an error with the line: other columns, values that cannot be. What is read and not used has a reason:
copies, older runs of one configuration, runs with speculative decoding, shapes that no engine has.
"""

import csv
import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TypeVar

from dgdr_api.candidate import Mode, Parallelism, Role
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.simulation.messages import ENGINES

_SHAPE_COLUMNS = ("num_workers", "tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
COLUMNS = (
    *("id", "silicon_data_source", "backend", "backend_version", "model_path", "system", "precision", "mode"),
    *("isl", "osl", "gemm_quant_mode", "moe_quant_mode", "batch_size"),
    *_SHAPE_COLUMNS[1:],
    *(f"{role}_{column}" for role in ("prefill", "decode") for column in ("batch_size", *_SHAPE_COLUMNS)),
    *("silicon_ttft_ms", "silicon_tpot_ms"),
)
"""The columns of the file, in their order."""

Chosen = TypeVar("Chosen")

_MODES = {"agg": Mode.AGGREGATED, "disagg": Mode.DISAGGREGATED}
_CONCURRENCY = re.compile(r"silicon_concurrency=(\d+)")
_DATE = re.compile(r"measured=(\d{4}-\d{2}-\d{2})")
_RUN = re.compile(r"config_id=\d+")
_NAMED_SIZES = re.compile(r"_tp(\d+)(?:_0)?_ep(\d+)")
_LARGEST = 64
"""GPUs of one group of an engine: what has more is a whole deployment, whose workers are not told."""


class MeasurementsError(Exception):
    """The file of measurements is not what this program reads."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model at one precision.

    Attributes:
        family: The network, whatever it was trained on and quantised to.
        simulated_as: AIC's id of a checkpoint of it, quantised alike where AIC brings one.
        gemm: Number format of its matrices where that is not the checkpoint's, as AIC names it; empty: it is.
        moe: The same of its experts.
        kv_cache: The same of its KV cache.
        dense: Whether it has no experts.
    """

    family: str
    simulated_as: str
    gemm: str = ""
    moe: str = ""
    kv_cache: str = ""
    dense: bool = False


_DEEPSEEK, _QWEN, _LLAMA_8B, _LLAMA_70B = "DeepSeek-V3/R1", "Qwen3-32B", "Llama-3.1-8B", "Llama-3.1-70B"
_QWEN_MOE, _QWEN_35, _GLM, _KIMI = "Qwen3-235B-A22B", "Qwen3.5-397B-A17B", "GLM-5", "Kimi-K2.5"
_MINIMAX, _GPT_OSS = "MiniMax-M2.5", "gpt-oss-120b"

_FP8_CACHE = "fp8"
"""NVIDIA's quantised checkpoints of dense models ask for an FP8 cache; AIC brings none of these."""

CHECKPOINTS: Mapping[tuple[str, str, str], Checkpoint] = {
    ("deepseek-ai/DeepSeek-R1", "fp8", ""): Checkpoint(_DEEPSEEK, "deepseek-ai/DeepSeek-R1"),
    ("deepseek-ai/DeepSeek-V3", "fp8", ""): Checkpoint(_DEEPSEEK, "deepseek-ai/DeepSeek-V3"),
    ("deepseek-ai/DeepSeek-R1", "fp4", ""): Checkpoint(_DEEPSEEK, "nvidia/DeepSeek-V3.1-NVFP4"),
    ("deepseek-ai/DeepSeek-V3", "fp4", ""): Checkpoint(_DEEPSEEK, "nvidia/DeepSeek-V3.1-NVFP4"),
    ("nvidia/DeepSeek-R1-NVFP4", "fp4", ""): Checkpoint(_DEEPSEEK, "nvidia/DeepSeek-V3.1-NVFP4"),
    ("nvidia/DeepSeek-V3.1-NVFP4", "fp4", ""): Checkpoint(_DEEPSEEK, "nvidia/DeepSeek-V3.1-NVFP4"),
    ("Qwen/Qwen3-32B", "", ""): Checkpoint(_QWEN, "Qwen/Qwen3-32B", dense=True),
    ("Qwen/Qwen3-32B", "fp8", "fp8"): Checkpoint(_QWEN, "Qwen/Qwen3-32B-FP8-Static-PerTensor", dense=True),
    ("Qwen/Qwen3-32B", "fp8", "fp8_block"): Checkpoint(_QWEN, "Qwen/Qwen3-32B-FP8", dense=True),
    ("Qwen/Qwen3-32B", "fp4", ""): Checkpoint(_QWEN, "Qwen/Qwen3-32B", "nvfp4", kv_cache=_FP8_CACHE, dense=True),
    ("nvidia/Qwen3-32B-NVFP4", "fp4", ""): Checkpoint(
        _QWEN, "Qwen/Qwen3-32B", "nvfp4", kv_cache=_FP8_CACHE, dense=True
    ),
    ("Qwen/Qwen3-235B-A22B-FP8", "fp8", ""): Checkpoint(_QWEN_MOE, "Qwen/Qwen3-235B-A22B-FP8"),
    ("Qwen/Qwen3.5-397B-A17B", "bf16", ""): Checkpoint(_QWEN_35, "Qwen/Qwen3.5-397B-A17B"),
    ("Qwen/Qwen3.5-397B-A17B", "fp8", ""): Checkpoint(_QWEN_35, "Qwen/Qwen3.5-397B-A17B", "fp8_block", "fp8_block"),
    ("Qwen/Qwen3.5-397B-A17B", "fp4", ""): Checkpoint(_QWEN_35, "nvidia/Qwen3.5-397B-A17B-NVFP4"),
    ("meta-llama/Llama-3.1-8B-Instruct", "", ""): Checkpoint(_LLAMA_8B, "meta-llama/Meta-Llama-3.1-8B", dense=True),
    ("meta-llama/Llama-3.1-8B-Instruct", "fp8", ""): Checkpoint(
        _LLAMA_8B, "meta-llama/Meta-Llama-3.1-8B", "fp8_block", dense=True
    ),
    ("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8", ""): Checkpoint(
        _LLAMA_8B, "meta-llama/Meta-Llama-3.1-8B", "fp8", kv_cache=_FP8_CACHE, dense=True
    ),
    ("meta-llama/Llama-3.1-70B", "fp8", ""): Checkpoint(_LLAMA_70B, "nvidia/Llama-3.1-70B-Instruct-FP8", dense=True),
    ("meta-llama/Llama-3.1-70B", "fp4", ""): Checkpoint(
        _LLAMA_70B, "meta-llama/Meta-Llama-3.1-70B", "nvfp4", kv_cache=_FP8_CACHE, dense=True
    ),
    ("moonshotai/Kimi-K2.5", "fp4", ""): Checkpoint(_KIMI, "nvidia/Kimi-K2.5-NVFP4"),
    ("moonshotai/Kimi-K2.5", "int4", ""): Checkpoint(_KIMI, "moonshotai/Kimi-K2.5"),
    ("zhipuai/GLM-5", "fp4", ""): Checkpoint(_GLM, "nvidia/GLM-5-NVFP4"),
    ("zhipuai/GLM-5", "fp8", ""): Checkpoint(_GLM, "zai-org/GLM-5-FP8"),
    ("MiniMaxAI/MiniMax-M2.5", "fp4", ""): Checkpoint(_MINIMAX, "nvidia/MiniMax-M2.5-NVFP4"),
    ("MiniMaxAI/MiniMax-M2.5", "fp8", ""): Checkpoint(_MINIMAX, "MiniMaxAI/MiniMax-M2.5"),
    ("openai/gpt-oss-120b", "fp4", ""): Checkpoint(_GPT_OSS, "openai/gpt-oss-120b"),
}
"""By model, precision and, where it matters, number format of the matrices (``gemm_quant_mode``)."""


@dataclass(frozen=True, slots=True)
class MeasuredWorker:
    """The workers of one role in a measured deployment.

    Attributes:
        role: What they do.
        parallelism: The engine of each.
        count: How many there are.
        batch: Requests at a time of each attention data-parallel rank.
    """

    role: Role
    parallelism: Parallelism
    count: int
    batch: int


@dataclass(frozen=True)
class Measurement:
    """One measured point.

    Attributes:
        line: Its line in the file.
        checkpoint: The model.
        model: The model as the file names it.
        system: AIC's name of the GPU system.
        backend: The engine.
        version: Its version; empty: not known.
        precision: As the file names it.
        mode: Aggregated or disaggregated.
        isl: Input length in tokens.
        osl: Output length in tokens.
        workers: The workers: aggregated, or prefill and decode.
        concurrency: Requests in flight.
        ttft: Mean time to first token in ms.
        itl: Mean time per output token after the first in ms.
        date: Day of the measurement; empty: not known.
        vetted: Whether it is of the database's dump, which has no speculative decoding in it.
    """

    line: int
    checkpoint: Checkpoint
    model: str
    system: str
    backend: Backend
    version: str
    precision: str
    mode: Mode
    isl: int
    osl: int
    workers: tuple[MeasuredWorker, ...]
    concurrency: int
    ttft: float
    itl: float
    date: str
    vetted: bool

    @property
    def family(self) -> str:
        """The network."""
        return self.checkpoint.family

    @property
    def gpus(self) -> int:
        """GPUs of all workers."""
        return sum(worker.count * worker.parallelism.gpus for worker in self.workers)

    @property
    def tokens_per_s_per_gpu(self) -> float:
        """Output tokens per second and GPU, by Little's law: within 2 % (aggregated) to 4 % of what was published."""
        return 1000 * self.concurrency * self.osl / (self.ttft + self.itl * (self.osl - 1)) / self.gpus

    @cached_property
    def shape(self) -> tuple[str, ...]:
        """The engines, without the load."""
        return tuple(f"{worker.count} × {worker.parallelism}" for worker in self.workers)

    @cached_property
    def workload(self) -> tuple[object, ...]:
        """What was asked of the engines: model, precision, system and lengths."""
        return (self.family, self.precision, self.system, self.isl, self.osl)

    @cached_property
    def configuration(self) -> tuple[object, ...]:
        """What was deployed, whatever the version, and the load."""
        return (*self.workload, self.backend, self.mode, self.shape, self.concurrency)


@dataclass(frozen=True, slots=True)
class Measurements:
    """What a file holds.

    Attributes:
        points: What is compared with estimates.
        unused: How many points were read and are not used, by reason.
        sha256: Hash of the file.
        dates: First and last day of a measurement.
    """

    points: tuple[Measurement, ...]
    unused: Mapping[str, int]
    sha256: str
    dates: tuple[str, str]


def read(path: Path) -> Measurements:
    """Read a file of measurements.

    Raises:
        MeasurementsError: It has other columns, or a value that cannot be; the message names the line.
    """
    content = path.read_bytes()
    lines = content.decode("utf-8").splitlines()
    rows = csv.DictReader(lines)
    if tuple(rows.fieldnames or ()) != COLUMNS:
        odd = sorted({*COLUMNS} ^ {*(rows.fieldnames or ())}) or ["their order"]
        raise MeasurementsError(f"{path.name}, line 1: other columns than expected: {', '.join(odd)}")
    unused: Counter[str] = Counter()
    found: list[Measurement] = []
    for row in rows:
        point = _Reader(path.name, rows.line_num, row).point()
        if isinstance(point, str):
            unused[point] += 1
        else:
            found.append(point)
    copies, distinct = len(found), _distinct(found)
    unused["copies in overlapping exports"] = copies - len(distinct)
    plain = _without_speculation(distinct)
    unused["runs with speculative decoding that are not marked"] = len(distinct) - len(plain)
    newest = _newest(plain)
    unused["older runs of the same configuration"] = len(plain) - len(newest)
    dates = sorted(point.date for point in newest if point.date) or [""]
    return Measurements(tuple(newest), dict(unused), hashlib.sha256(content).hexdigest(), (dates[0], dates[-1]))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one row."""

    file: str
    line: int
    row: Mapping[str, str]

    def point(self) -> Measurement | str:
        """Return the measurement, or why it is not used.

        Raises:
            MeasurementsError: A value cannot be.
        """
        row = self.row
        if None in row or None in row.values():  # csv: more or fewer values than columns
            raise self._error("has another number of values than there are columns")
        ttft, itl = self._latency("silicon_ttft_ms"), self._latency("silicon_tpot_ms")
        if ttft < itl:
            raise self._error(f"silicon_ttft_ms={ttft:g} is shorter than one step of decoding ({itl:g} ms)")
        isl, osl = self._size("isl"), self._size("osl")
        mode, backend = self._choice("mode", _MODES), self._choice("backend", {str(name): name for name in ENGINES})
        if not row["model_path"] or not row["system"]:
            raise self._error("names no model or no system")
        concurrency = _CONCURRENCY.search(row["silicon_data_source"])
        checkpoint = self._checkpoint()
        if checkpoint is None:
            return "of models that AIC has no checkpoint of"
        if concurrency is None:
            return "of an unknown concurrency"
        workers = self._workers(mode, checkpoint, int(concurrency[1]))
        if isinstance(workers, str):
            return workers
        date = _DATE.search(row["silicon_data_source"])
        return Measurement(
            line=self.line,
            checkpoint=checkpoint,
            model=row["model_path"],
            system=row["system"],
            backend=backend,
            version=row["backend_version"],
            precision=row["precision"],
            mode=mode,
            isl=isl,
            osl=osl,
            workers=workers,
            concurrency=self._requests(workers, int(concurrency[1])),
            ttft=ttft,
            itl=itl,
            date=date[1] if date else "",
            vetted=bool(_RUN.search(row["silicon_data_source"])),
        )

    def _error(self, message: str) -> MeasurementsError:
        return MeasurementsError(f"{self.file}, line {self.line}: {message}")

    def _number(self, column: str) -> float:
        try:
            return float(self.row[column])
        except ValueError:
            raise self._error(f"{column}={self.row[column]!r} is not a number") from None

    def _latency(self, column: str) -> float:
        value = self._number(column)
        if not (math.isfinite(value) and value > 0):
            raise self._error(f"{column}={self.row[column]} is no time that can be measured")
        return value

    def _size(self, column: str, least: int = 1) -> int:
        value = self._number(column)
        if not (value.is_integer() and value >= least):
            raise self._error(f"{column}={self.row[column]} is not a whole number of {least} or more")
        return int(value)

    def _choice(self, column: str, known: Mapping[str, Chosen]) -> Chosen:
        if self.row[column] not in known:
            raise self._error(f"{column}={self.row[column]!r} is none of {', '.join(known)}")
        return known[self.row[column]]

    def _checkpoint(self) -> Checkpoint | None:
        model, precision = self.row["model_path"], self.row["precision"]
        return CHECKPOINTS.get((model, precision, self.row["gemm_quant_mode"]), CHECKPOINTS.get((model, precision, "")))

    def _workers(self, mode: Mode, checkpoint: Checkpoint, concurrency: int) -> tuple[MeasuredWorker, ...] | str:
        if mode is Mode.AGGREGATED:
            parallelism = self._parallelism("", checkpoint)
            if parallelism is None:
                return "of whole deployments or shapes that no engine has"
            batch = self._share(concurrency, parallelism.dp)
            # Several engines behind one endpoint, in one export: the batch is that of each.
            batch = min(batch, self._size("batch_size")) if parallelism.dp == 1 else batch
            return (MeasuredWorker(Role.AGGREGATED, parallelism, 1, batch),)
        if not (self.row["prefill_num_workers"] and self.row["decode_num_workers"]):
            return "disaggregated, of an unknown number of workers"
        shapes = [self._parallelism(f"{role}_", checkpoint) for role in ("prefill", "decode")]
        counts = [self._size(f"{role}_num_workers") for role in ("prefill", "decode")]
        prefill, decode = shapes
        if prefill is None or decode is None:
            return "of whole deployments or shapes that no engine has"
        return (
            MeasuredWorker(Role.PREFILL, prefill, counts[0], 1),
            MeasuredWorker(Role.DECODE, decode, counts[1], self._share(concurrency, counts[1] * decode.dp)),
        )

    @staticmethod
    def _share(concurrency: int, parts: int) -> int:
        """Return the batch of each of so many ranks, the fullest one."""
        return -(-concurrency // parts)

    @staticmethod
    def _requests(workers: Sequence[MeasuredWorker], concurrency: int) -> int:
        """Return the requests in flight at the workers that the row tells of."""
        first = workers[0]
        return min(concurrency, first.batch * first.parallelism.dp) if first.role is Role.AGGREGATED else concurrency

    def _parallelism(self, prefix: str, checkpoint: Checkpoint) -> Parallelism | None:
        """Return the parallelism of an engine, from any of the three ways in which exports write it.

        One leaves the copies of attention out, which are then what the experts' GPUs have more than TP. One writes TP ×
        EP where the row's id has TP alone.
        """
        tp, pp = self._size(f"{prefix}tp_size"), self._size(f"{prefix}pp_size")
        dp, moe_tp, moe_ep = (
            self._size(f"{prefix}{column}", 0) if self.row[f"{prefix}{column}"] else 0
            for column in ("attention_dp_size", "moe_tp_size", "moe_ep_size")
        )
        if self.row[f"{prefix}attention_dp_size"] and not dp:
            return None  # of one export, where several engines of an unknown number share a load
        if checkpoint.dense:
            copies = max(dp, 1)
            return Parallelism(tp=tp, pp=pp) if copies == 1 and _is_engine(tp * pp) else None
        named = _NAMED_SIZES.search(self.row["id"])
        size = int(named[1]) if named and not prefix and named[1] == named[2] else 1
        if moe_tp == moe_ep == size > 1 and max(tp, dp) == size * size:
            tp, dp, moe_tp = (size, 1, 1) if tp > dp else (1, size, 1)
        experts = moe_tp * moe_ep
        dp = dp or max(1, experts // tp)
        if experts != tp * dp or not _is_engine(tp * pp * dp):
            return None
        return Parallelism(tp=tp, pp=pp, dp=dp, moe_tp=moe_tp, moe_ep=moe_ep)


def _is_engine(gpus: int) -> bool:
    return gpus <= _LARGEST and gpus.bit_count() == 1


def _distinct(points: Sequence[Measurement]) -> list[Measurement]:
    """Leave the first of each measurement; exports overlap, and some are rounded to two decimals.

    The database's dump comes first: its shapes are written in one way.
    """
    found: dict[object, Measurement] = {}
    for point in sorted(points, key=lambda point: (not point.vetted, not point.date)):
        values = (round(point.ttft, 1), round(point.itl, 1))
        found.setdefault((point.system, point.backend, point.mode, point.isl, point.osl, values), point)
    return sorted(found.values(), key=lambda point: point.line)


_SPECULATIVE = 0.8
"""Of the ITL of other days at up to `_FEW_REQUESTS` at a time: versions of an engine differ by 3 % in the median and by
19 % in one of ten cases, speculative decoding makes 0.57 to 0.74 of it."""
_FEW_REQUESTS = 32


def _without_speculation(points: Sequence[Measurement]) -> list[Measurement]:
    """Drop runs with speculative decoding, which two exports mix in unmarked.

    A series of one day is taken for such where it is not of the vetted dump, and its ITL at few requests is far below
    that of the same GPUs and attention on other days (exports differ in how they write what experts do). Where most
    series of a model and engine that can be compared are, all of that day are.
    """
    slowest: dict[object, dict[str, float]] = {}
    for point in points:
        days = slowest.setdefault(_alike(point), {})
        days[point.date] = max(point.itl, days.get(point.date, 0.0))
    ratios: dict[tuple[tuple[object, ...], tuple[object, ...]], list[float]] = {}
    for point in points:
        others = [itl for date, itl in slowest[_alike(point)].items() if date != point.date]
        if others and not point.vetted and point.date and point.concurrency <= _FEW_REQUESTS:
            ratios.setdefault(_series(point), []).append(point.itl / max(others))
    marked = {series: median(found) < _SPECULATIVE for series, found in ratios.items()}
    by_day: dict[object, list[bool]] = {}
    for series, fast in marked.items():
        by_day.setdefault(series[0], []).append(fast)
    fast_days = {day for day, found in by_day.items() if 2 * sum(found) > len(found)}
    return [
        point
        for point in points
        if point.vetted or not point.date or not marked.get(_series(point), _series(point)[0] in fast_days)
    ]


def _alike(point: Measurement) -> tuple[object, ...]:
    engines = tuple((worker.count, worker.parallelism.gpus, worker.parallelism.dp) for worker in point.workers)
    return (*point.workload, point.backend, point.mode, engines, point.concurrency)


def _series(point: Measurement) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return (point.family, point.backend, point.mode, point.date), (point.system, point.precision, point.shape)


def _newest(points: Sequence[Measurement]) -> list[Measurement]:
    """Leave the newest run of each configuration and load; of one day, the last line."""
    found: dict[object, Measurement] = {}
    for point in sorted(points, key=lambda point: (point.date, point.line)):
        found[point.configuration] = point
    return sorted(found.values(), key=lambda point: point.line)
