"""What every engine's table speaks about: one worker, one flag, one limit, one engine."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from dgdr_api.candidate import KvCacheDtype, Parallelism, Role
from dgdr_api.gpus import find_gpu
from dgdr_api.hardware import HardwareUsed
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend


@dataclass(frozen=True, slots=True)
class EngineWorker:
    """One worker as an engine's flags see it.

    Attributes:
        backend: The engine whose behaviour is wanted, also where it is simulated.
        model: What the engine loads.
        served_name: Name under which clients ask for it.
        role: What the worker does.
        shape: How it is spread over GPUs.
        batch: Requests at once, of each attention data-parallel rank.
        max_num_tokens: Tokens of one step at most, of each rank.
        context_length: Longest sequence in tokens.
        draft_tokens: Tokens that the model's own layers draft in each step; 0: no speculative decoding.
        kv_cache_dtype: Number format of the KV cache.
        kv_routed: Whether a router wants to know what is in the KV caches.
        trusts_code: Whether it may run code that the model brings along.
        gpu: AIC's name of the GPU, or None where it has none.
        vram_mib: Memory of one GPU in MiB.
        facts: What is known of the model.
        experts_span: Whether whole experts are spread over several nodes.
    """

    backend: Backend
    model: str
    served_name: str
    role: Role
    shape: Parallelism
    batch: int
    max_num_tokens: int
    context_length: int
    kv_cache_dtype: KvCacheDtype
    draft_tokens: int = 0
    kv_routed: bool = False
    trusts_code: bool = False
    gpu: str | None = None
    vram_mib: int = 0
    facts: ModelFacts = field(default_factory=ModelFacts)
    experts_span: bool = False

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

    @property
    def speculates(self) -> bool:
        """Whether the model drafts tokens; a prefill worker too: the layers that draft have keys and values as well."""
        return self.draft_tokens > 0

    @property
    def publishes_kv_events(self) -> bool:
        """Whether the worker tells a router what its KV cache holds: where prompts are read, prefixes are shared."""
        return self.kv_routed and self.prefills

    @property
    def width(self) -> int:
        """GPUs of one pipeline stage, over which attention (tp · dp) and experts (moe_tp · moe_ep) are spread."""
        return self.shape.tp * self.shape.dp


def decoded_tokens(batch: int, draft_tokens: int) -> int:
    """Return the tokens of a step of one rank in which every request decodes, with its drafts."""
    return batch * (1 + draft_tokens)


def _always(_: EngineWorker) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Flag:
    """One command line flag: its name, its value for a worker (None: a switch), and when it is written."""

    name: str
    value: Callable[[EngineWorker], object] | None = None
    when: Callable[[EngineWorker], bool] = _always


@dataclass(frozen=True, slots=True)
class Nodes:
    """What the cluster's nodes allow.

    Attributes:
        gpus: GPUs of one node.
        apart: Why no engine may span several; empty: one may.
    """

    gpus: int
    apart: str = ""

    @classmethod
    def of(cls, hardware: HardwareUsed) -> "Nodes":
        """Read them off the hardware."""
        gpus, known = hardware.num_gpus_per_node.value, find_gpu(hardware.gpu_sku)
        if not hardware.multinode:
            return cls(gpus, "needs Grove or LWS, which this cluster does not have")
        if known is not None and gpus < known.gpus_per_node:
            # The simulator's engine would have its GPUs in one node, where they talk ten times as fast.
            return cls(gpus, f"estimates are for nodes of {known.gpus_per_node} GPUs")
        return cls(gpus)

    def spread_experts(self, shape: Parallelism) -> bool:
        """Say whether a worker of this shape has whole experts on several nodes."""
        return shape.moe_ep > self.gpus

    def count(self, shape: Parallelism) -> int:
        """Return the number of nodes that a worker of this shape takes."""
        return -(-shape.gpus // self.gpus)


@dataclass(frozen=True, slots=True)
class Limit:
    """What an engine cannot do: when that is asked for, and the sentence that says so."""

    exceeded: Callable[[Role, Parallelism, Nodes], bool]
    reason: str


@dataclass(frozen=True, slots=True)
class KvTransfer:
    """What stands between a prefill and a decode worker: when, and the sentence that says so.

    Attributes:
        fails: Whether keys and values cannot go from the one shape to the other, given the model's KV heads.
        reason: Why.
    """

    fails: Callable[[Parallelism, Parallelism, int], bool]
    reason: str


@dataclass(frozen=True, slots=True)
class Engine:
    """How one backend is started.

    Attributes:
        module: Python module of Dynamo's worker.
        image: Name of Dynamo's image with this engine.
        flags: The command line, in this order.
        limits: What it cannot do, of what the search may ask for.
        kv_transfers: Which workers cannot work together.
    """

    module: str
    image: str
    flags: tuple[Flag, ...]
    limits: tuple[Limit, ...] = ()
    kv_transfers: tuple[KvTransfer, ...] = ()

    def arguments(
        self, worker: EngineWorker, add: Iterable[Flag] = (), drop: Collection[str] = ()
    ) -> Iterator[tuple[str, str | None]]:
        """Yield the flags of a worker with their values, None for a switch, as the newest release has them.

        Args:
            worker: The worker.
            add: Flags that its model needs.
            drop: Flags of every model that its model must not have.
        """
        for flag in (*(flag for flag in self.flags if flag.name not in drop), *add):
            if flag.when(worker):
                yield flag.name, None if flag.value is None else str(flag.value(worker))
