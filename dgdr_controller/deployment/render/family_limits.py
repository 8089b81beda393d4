"""What engines cannot do for families of models. Sources: those of ``families``, and older ones where a row says so."""

from collections.abc import Iterator
from dataclasses import dataclass

from dgdr_api.candidate import Parallelism, Role
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.engine import Limit, Nodes
from dgdr_controller.deployment.render.families import (
    GEMMA4,
    HYBRID,
    INKLING,
    MINICPM_SPARSE,
    MINIMAX_M3,
    MOBIUS,
    QWEN4,
    SHORT_STATES,
    WINDOWS,
    Family,
)
from dgdr_controller.deployment.render.releases import NEWEST, Release


@dataclass(frozen=True, slots=True)
class TransferLimit:
    """What an engine cannot transfer of a family from prefill to decode workers.

    Attributes:
        family: The family.
        backend: The engine.
        source: Where that was read, and what happens.
        equal_tp: Whether it can between workers of equal tensor parallel size; else it cannot at all.
        before: The release of Dynamo whose engine was the first that can; None: there is none.
    """

    family: Family
    backend: Backend
    source: str
    equal_tp: bool = False
    before: tuple[int, int] | None = None

    def applies(self, backend: Backend, model: ModelFacts, release: Release) -> bool:
        """Say whether it is about a model and the engine of a release."""
        affected = release.is_before(self.before)
        return affected and backend is self.backend and self.family.includes(model)


TRANSFER_LIMITS: tuple[TransferLimit, ...] = (
    TransferLimit(SHORT_STATES, Backend.VLLM, "vllm/…/ssm_conv_transfer_utils.py: NotImplementedError"),
    TransferLimit(
        HYBRID,
        Backend.VLLM,
        "vllm 0.20.1, config/vllm.py: a transfer turns its cache manager of hybrids off; ValueError without",
        before=(1, 3),
    ),
    TransferLimit(GEMMA4, Backend.TRTLLM, "tensorrt_llm, supported-models.md: not disaggregated"),
    TransferLimit(INKLING, Backend.TRTLLM, "tensorrt_llm, supported-models.md: not disaggregated"),
    TransferLimit(MINICPM_SPARSE, Backend.SGLANG, "sglang/srt/layers/attention/minicpm/backend.py: not disaggregated"),
    TransferLimit(
        HYBRID,
        Backend.VLLM,
        "vllm/…/nixl/base_worker.py: refused where a block of attention holds another number of state blocks on the "
        "two sides, which depends on the size; prefix caching makes it so, and Dynamo turns it on",
        equal_tp=True,
    ),
    TransferLimit(
        HYBRID,
        Backend.SGLANG,
        "sglang 0.5.10, srt/disaggregation/nixl/conn.py: RuntimeError for other sizes",
        equal_tp=True,
        before=(1, 2),
    ),
    TransferLimit(
        WINDOWS,
        Backend.SGLANG,
        "sglang/srt/disaggregation/nixl/conn.py: RuntimeError in the first transfer",
        equal_tp=True,
    ),
    TransferLimit(
        MINIMAX_M3,
        Backend.SGLANG,
        "sglang/srt/disaggregation/nixl/conn.py: RuntimeError in the first transfer",
        equal_tp=True,
    ),
)


def _limited(backend: Backend, model: ModelFacts, release: Release, *, equal_tp: bool) -> bool:
    return any(row.equal_tp is equal_tp and row.applies(backend, model, release) for row in TRANSFER_LIMITS)


def why_only_aggregated(backend: Backend, model: ModelFacts, release: Release = NEWEST) -> str | None:
    """Say why an engine serves a model only with prefill and decode in one worker; None: it need not."""
    if not _limited(backend, model, release, equal_tp=False):
        return None
    return f"{backend} {release.engine_version(backend)} cannot transfer the caches of {model.architecture}"


def why_equal_tp(backend: Backend, model: ModelFacts, release: Release = NEWEST) -> str | None:
    """Say why prefill and decode workers need the same tensor parallel size for a model; None: they do not."""
    if not _limited(backend, model, release, equal_tp=True):
        return None
    return f"{backend} transfers the caches of this model only between equal tensor parallel sizes"


def _in_stages(_: Role, shape: Parallelism, __: Nodes) -> bool:
    return shape.pp > 1


@dataclass(frozen=True, slots=True)
class FamilyLimit:
    """A shape in which an engine does not serve a family."""

    family: Family
    backend: Backend
    limit: Limit


FAMILY_LIMITS: tuple[FamilyLimit, ...] = (
    # vllm/model_executor/models/config.py
    FamilyLimit(QWEN4, Backend.VLLM, Limit(_in_stages, "vllm does not pipeline this model")),
    # sglang/srt/arg_groups/model_hook.py
    FamilyLimit(MOBIUS, Backend.SGLANG, Limit(_in_stages, "sglang does not pipeline this model")),
    FamilyLimit(
        MOBIUS,
        Backend.SGLANG,
        Limit(lambda _, shape, __: shape.moe_ep > 1, "sglang does not serve this model with expert parallelism"),
    ),
    # sglang/srt/layers/attention/minicpm/backend.py
    FamilyLimit(
        MINICPM_SPARSE,
        Backend.SGLANG,
        Limit(lambda _, shape, __: shape.dp > 1, "sglang does not serve this model with attention data parallelism"),
    ),
    # tensorrt_llm, supported-models.md
    FamilyLimit(GEMMA4, Backend.TRTLLM, Limit(_in_stages, "trtllm does not pipeline this model")),
)


def limits_of(backend: Backend, model: ModelFacts) -> Iterator[Limit]:
    """Yield in which shapes an engine does not serve a model."""
    return (row.limit for row in FAMILY_LIMITS if row.backend is backend and row.family.includes(model))
