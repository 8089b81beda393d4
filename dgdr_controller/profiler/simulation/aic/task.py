"""AIC's Task: what it works out of a model on a system before anything is estimated."""

from typing import Any

from dgdr_api.candidate import KvCacheDtype, Mode, Role
from dgdr_controller.profiler.simulation.aic import limits
from dgdr_controller.profiler.simulation.aic.package import VERSION_SLOT, module
from dgdr_controller.profiler.simulation.messages import Search
from dgdr_controller.profiler.simulation.speculation import accepted

_UNBOUNDED_MS = 1e9
"""Stands for "no target": AIC wants a number. Nothing that it is asked for here depends on targets."""

PREFIXES = {
    Mode.AGGREGATED: {Role.AGGREGATED: ""},
    Mode.DISAGGREGATED: {Role.PREFILL: "prefill_", Role.DECODE: "decode_"},
}
"""The roles of a mode, and the prefix of their settings."""

_KV_CACHE_MODES = {KvCacheDtype.AUTO: "bfloat16", KvCacheDtype.FP8: "fp8"}
"""What AIC calls the number formats of a KV cache."""


def task_of(wanted: Search) -> Any:
    """Build AIC's Task: it works out parallelisms, precision and corrections for a model on a system."""
    identity: dict[str, Any] = {
        "model_path": wanted.model,
        "system_name": wanted.system,
        "backend_name": wanted.backend.value,
        "backend_version": wanted.limits_version or VERSION_SLOT,
    }
    prefixes, drafts = PREFIXES[wanted.mode].values(), wanted.draft_tokens
    if wanted.kv_cache_dtype:
        identity["kvcache_quant_mode"] = module("sdk.common").KVCacheQuantMode[_KV_CACHE_MODES[wanted.kv_cache_dtype]]
    return module("sdk.task_v2").Task(
        serving_mode="agg" if wanted.mode is Mode.AGGREGATED else "disagg",
        **{f"{prefix}{key}": value for prefix in prefixes for key, value in identity.items()},
        total_gpus=wanted.total_gpus,
        isl=wanted.isl,
        osl=wanted.osl,
        **({"nextn": drafts, "nextn_accepted": accepted(drafts)} if drafts else {}),
        ttft=_UNBOUNDED_MS,
        tpot=_UNBOUNDED_MS,
        **({"database_mode": limits.MODE} if wanted.limits_version else {}),
        **{f"{prefix or 'agg_'}cp_candidates": [1] for prefix in prefixes},  # no engine's table has a flag for more
    )
