"""What every engine's table speaks about: one worker, one flag, one engine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dgdr_api.candidate import KvCacheDtype, Parallelism, Role


@dataclass(frozen=True, slots=True)
class EngineWorker:
    """One worker as an engine's flags see it.

    Attributes:
        model: What the engine loads.
        served_name: Name under which clients ask for it.
        role: What the worker does.
        shape: How it is spread over GPUs.
        batch: Requests at once.
        max_num_tokens: Tokens of one step at most.
        context_length: Longest sequence in tokens.
        kv_cache_dtype: Number format of the KV cache.
    """

    model: str
    served_name: str
    role: Role
    shape: Parallelism
    batch: int
    max_num_tokens: int
    context_length: int
    kv_cache_dtype: KvCacheDtype

    @property
    def disaggregated(self) -> bool:
        """Whether prefill and decode run in workers of their own."""
        return self.role is not Role.AGGREGATED

    @property
    def prefills(self) -> bool:
        """Whether the worker processes prompts."""
        return self.role is not Role.DECODE

    @property
    def decodes(self) -> bool:
        """Whether the worker generates."""
        return self.role is not Role.PREFILL

    @property
    def fp8_kv_cache(self) -> bool:
        """Whether the KV cache is held in 8-bit floats."""
        return self.kv_cache_dtype is KvCacheDtype.FP8


def _always(_: EngineWorker) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Flag:
    """One command line flag: its name, its value for a worker (None: a switch), and when it is written."""

    name: str
    value: Callable[[EngineWorker], object] | None = None
    when: Callable[[EngineWorker], bool] = _always


@dataclass(frozen=True, slots=True)
class Engine:
    """How one backend is started.

    Attributes:
        module: Python module of Dynamo's worker.
        image: Name of Dynamo's image with this engine.
        flags: The command line, in this order.
        disaggregates_pipelines: Whether pipeline parallel workers can hand over their KV cache.
    """

    module: str
    image: str
    flags: tuple[Flag, ...]
    disaggregates_pipelines: bool

    def arguments(self, worker: EngineWorker) -> Iterator[str]:
        """Yield the command line of a worker."""
        for flag in self.flags:
            if flag.when(worker):
                yield flag.name
                if flag.value is not None:
                    yield str(flag.value(worker))
