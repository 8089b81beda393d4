"""The tables of docs/ about engines: which releases are spoken to, what models need, what works with what."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dgdr_api.candidate import KvCacheDtype, Parallelism, Role
from dgdr_api.results import ModelFacts
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import (
    Nodes,
    families,
    family_limits,
    gpu_limits,
    parsers,
    releases,
    unrenderable_worker,
    why_only_aggregated,
)
from dgdr_controller.deployment.render.engine import EngineWorker, Flag
from dgdr_controller.deployment.render.engines import ENGINES
from dgdr_controller.profiler.model.architectures import releases_that_load
from dgdr_controller.profiler.model.config import read_config
from dgdr_controller.profiler.model.resolve import Model
from hack.markdown import code, table

_NAMES = {Backend.VLLM: "vLLM", Backend.SGLANG: "SGLang", Backend.TRTLLM: "TensorRT-LLM"}
_PLAIN: dict[str, Any] = {
    "backend": Backend.VLLM, "model": "", "served_name": "", "role": Role.AGGREGATED, "shape": Parallelism(),
    "batch": 1, "max_num_tokens": 1, "context_length": 1, "kv_cache_dtype": KvCacheDtype.AUTO, "vram_mib": 143771,
}  # fmt: skip


# --- Releases of Dynamo


def releases_table() -> str:
    """Return what each release's programs are told otherwise."""
    header = ("Dynamo", *_NAMES.values(), "Other than in the next newer one")
    rows = ((r.checked, *r.engines, "; ".join(_differences(r))) for r in releases.RELEASES)
    return table(header, rows)


def _differences(release: releases.Release) -> Iterator[str]:
    for module, rewrites in release.programs.items():
        yield f"{code(module)}: {', '.join(rewrite.what for rewrite in rewrites)}"
    if release.planner:
        renamed = (f"{code(setting)} is {code(name)}" for setting, name in release.planner.items())
        yield f"{code('dynamo.planner')}: {', '.join(renamed)}"
    if release.later:
        absent = [code(f"{flag} {value}") for (flag, value), instead in release.later.items() if instead is None]
        replaced = [
            f"{code(f'{flag} {value}')} is {code(instead)}"
            for (flag, value), instead in release.later.items()
            if instead
        ]
        yield ", ".join([*replaced, *([f"no {', '.join(absent)}"] if absent else [])])


# --- Model families


def families_table() -> str:
    """Return what families need beyond the flags of every model."""
    return table(("Family", "Engine", "Releases", "Workers", "Written", "Left out", "Why"), map(_need, families.NEEDS))


def _need(need: families.Need) -> tuple[str, ...]:
    facts = ModelFacts(takes_images=True)
    workers = [EngineWorker(**{**_PLAIN, "role": role, "facts": facts, "experts_span": True}) for role in Role]
    wanting = [worker for worker in workers if need.when(worker)]
    written = [_words(flag, wanting[-1]) for flag in need.add]
    written += [code(f"{v.name}={v.value(wanting[-1])}") for v in need.env if v.value]
    roles = "all" if len(wanting) == len(workers) else ", ".join(worker.role for worker in wanting)
    left_out = ", ".join(map(code, need.drop))
    return need.family.name, need.backend.value, _since(need), roles, ", ".join(written), left_out, need.source


def _words(flag: Flag, worker: EngineWorker) -> str:
    return code(flag.name if flag.value is None else f"{flag.name} {flag.value(worker)}")


def transfers_table() -> str:
    """Return which families cannot be handed from prefill to decode workers, or only between equal ones."""
    rows = (
        (row.family.name, row.backend.value, "equal TP" if row.equal_tp else "aggregated only", _since(row), row.source)
        for row in family_limits.TRANSFER_LIMITS
    )
    return table(("Family", "Engine", "What is offered", "Releases", "Why"), rows)


def _since(row: families.Need | family_limits.TransferLimit | gpu_limits.GpuLimit) -> str:
    return f"before {'.'.join(map(str, row.before))}" if row.before else "all"


def parsers_table() -> str:
    """Return which parsers read the answers of which models."""
    header = ("Kind", "Name contains", "Tool calls", "Reasoning")
    rows = (
        (", ".join(map(code, row.types.split())), row.name and code(row.name), row.tools, row.reasoning)
        for row in parsers.ROWS
    )
    return table(header, rows)


def own_code_list() -> str:
    """Return the kinds of models whose own code engines must run."""
    return ", ".join(map(code, sorted(families.OWN_CODE.types)))


# --- Support matrix


def models_table() -> str:
    """Return which engine of which release loads the models that the simulator knows, and what each can do."""
    kinds: dict[tuple[str, str], list[tuple[str, Model]]] = {}
    for model in _models():
        kinds.setdefault((model.facts.architecture, model.facts.model_type), []).append((model.name, model))
    rows = (_kind([model for _, model in sorted(kinds[kind])]) for kind in sorted(kinds))
    return table(("Models", "Architecture", *_NAMES.values(), "Images", "Drafts", "Own code", "Parsers"), rows)


def _models() -> Iterator[Model]:
    core = importlib.util.find_spec("aiconfigurator_core")  # not imported: it would change logging
    assert core is not None  # noqa: S101 - it is installed where the tables are made
    for path in sorted(Path(str(core.origin)).with_name("model_configs").glob("*_config.json")):
        if "hf_quant_config" not in path.name:
            name = path.name.removesuffix("_config.json").replace("--", "/")
            yield Model(name, name, name, read_config(json.loads(path.read_text(encoding="utf-8"))))


def _kind(models: list[Model]) -> tuple[str, ...]:
    model, others = models[0], len(models) - 1
    facts = model.facts
    answers = {
        flag.value(EngineWorker(**_PLAIN)) for m in models for flag in parsers.parsers(m.facts, m.name) if flag.value
    }
    return (
        f"{model.name}{f' and {others} more' if others else ''}",
        code(facts.architecture),
        *(_support(engine, facts) for engine in _NAMES),
        "yes" if any(m.facts.takes_images for m in models) else "",
        "yes" if any(m.config.draft_layers for m in models) else "",
        "yes" if families.needs_own_code(facts) else "",
        ", ".join(sorted(map(str, answers))),
    )


def _support(engine: Backend, facts: ModelFacts) -> str:
    known = releases_that_load(engine, facts.architecture)
    if not known:
        return "no"
    since = "yes" if engine is Backend.TRTLLM or known[-1] is releases.OLDEST else f"since {known[-1]}"
    return ", ".join([since, *_transfers(engine, facts, known)])


def _transfers(engine: Backend, facts: ModelFacts, known: list[releases.Release]) -> Iterator[str]:
    """Yield how prefill and decode may be apart, and in which releases that loads the model otherwise than now."""
    of_all = why_only_aggregated, family_limits.why_equal_tp
    for why, limited in zip(of_all, ("aggregated only", "equal TP"), strict=True):
        affected = [release for release in known if why(engine, facts, release)]
        if releases.NEWEST in affected:
            yield limited
            return
        if affected:
            yield f"{limited} up to {affected[0]}"


def gpus_table() -> str:
    """Return what engines ask of a GPU."""
    rows = (
        (
            _NAMES[row.backend],
            row.quantization or "all",
            ".".join(map(str, row.least)),
            _since(row),
            row.source,
        )
        for row in gpu_limits.GPU_LIMITS
    )
    return table(("Engine", "Weights", "Compute capability", "Releases", "Why"), rows)


_FEATURES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Prefill workers", {"role": Role.PREFILL}),
    ("Decode workers", {"role": Role.DECODE}),
    ("Tensor parallelism", {"shape": Parallelism(tp=8)}),
    ("Pipeline parallelism", {"shape": Parallelism(pp=2)}),
    ("Pipeline parallelism, prefill and decode apart", {"shape": Parallelism(pp=2), "role": Role.PREFILL}),
    ("Attention data parallelism", {"shape": Parallelism(dp=8, moe_ep=8)}),
    ("Attention data and tensor parallelism", {"shape": Parallelism(tp=4, dp=2, moe_ep=8)}),
    ("Experts spread over GPUs", {"shape": Parallelism(tp=8, moe_ep=8)}),
    ("Experts both spread and cut", {"shape": Parallelism(tp=8, moe_ep=4, moe_tp=2)}),
    ("8-bit KV cache", {"kv_cache_dtype": KvCacheDtype.FP8}),
    ("Drafts of the model's own layers", {"draft_tokens": 2}),
    ("Routing by KV cache", {"kv_routed": True}),
    ("Code of the model's repository", {"trusts_code": True}),
)


def features_table() -> str:
    """Return what each engine is told for a feature, beyond what every worker is told, or why it is not offered."""
    rows = ((name, *(_feature(engine, changes) for engine in _NAMES)) for name, changes in _FEATURES)
    return table(("Feature", *_NAMES.values()), rows)


def _feature(engine: Backend, changes: dict[str, Any]) -> str:
    plain = EngineWorker(**{**_PLAIN, "backend": engine})
    worker = EngineWorker(**{**_PLAIN, "backend": engine, **changes})
    if reason := unrenderable_worker(engine, worker.role, worker.shape, Nodes(gpus=8)):
        return f"not offered: {reason}"
    usual = set(ENGINES[engine].arguments(plain))
    return ", ".join(
        code(flag if value is None else f"{flag} {value}")
        for flag, value in ENGINES[engine].arguments(worker)
        if (flag, value) not in usual
    )
