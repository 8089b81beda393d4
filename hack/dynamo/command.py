"""What a component's command line becomes where there are no GPUs: the frontend itself, the mocker for every engine.

Sources of the flags: ``dynamo.mocker`` 1.6.1 ``args.py``; for the engines what ``deployment.render`` says of each.
Data-parallel ranks of SGLang and TensorRT-LLM are simulated as one engine: their flags are of all ranks together, or do
not say how many there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

_ELSEWHERE = ("--ais-", "--aic-", "--planner-profile-data")
"""The mocker's own flags for times, which come from ``timing`` here."""


@dataclass(frozen=True, slots=True)
class Frontend:
    """What answers requests.

    Attributes:
        arguments: Of ``dynamo.frontend``.
    """

    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worker:
    """A simulated engine.

    Attributes:
        arguments: Of ``dynamo.mocker``, but for where the model is and how long things take.
        model: What the engine was to load.
        served_name: Name under which clients ask for it.
        gpus: GPUs over which one copy of the model is spread.
    """

    arguments: tuple[str, ...]
    model: str
    served_name: str
    gpus: int


@dataclass(frozen=True, slots=True)
class _Engine:
    """How a program's flags become the mocker's.

    Attributes:
        kind: ``--engine-type``.
        flags: The mocker's flag for each of its own; what is not named is left out.
        spread: Flags whose values multiply to the GPUs of one copy of the model.
    """

    kind: str
    flags: Mapping[str, str]
    spread: tuple[str, ...]


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


_ENGINES = {
    "dynamo.vllm": _Engine(
        kind="vllm",
        flags={"--model": "--model-path", "--served-model-name": "--model-name"}
        | _same("--max-model-len", "--max-num-seqs", "--max-num-batched-tokens", "--data-parallel-size")
        | _same("--kv-cache-dtype", "--disaggregation-mode"),
        spread=("--tensor-parallel-size", "--pipeline-parallel-size"),
    ),
    "dynamo.sglang": _Engine(
        kind="sglang",
        flags={
            "--served-model-name": "--model-name",
            "--context-length": "--max-model-len",
            "--max-running-requests": "--max-num-seqs",
            "--page-size": "--block-size",
            "--chunked-prefill-size": "--sglang-chunked-prefill-size",
            "--max-prefill-tokens": "--sglang-max-prefill-tokens",
        }
        | _same("--model-path", "--kv-cache-dtype", "--disaggregation-mode"),
        spread=("--tp-size", "--pp-size"),
    ),
    "dynamo.trtllm": _Engine(
        kind="trtllm",
        flags={
            "--model": "--model-path",
            "--served-model-name": "--model-name",
            "--max-seq-len": "--max-model-len",
            "--max-batch-size": "--max-num-seqs",
            "--max-num-tokens": "--max-num-batched-tokens",
            "--trtllm.kv_cache_config.dtype": "--kv-cache-dtype",
        }
        | _same("--disaggregation-mode"),
        spread=("--tensor-parallel-size", "--pipeline-parallel-size"),
    ),
}


def understood(command: Sequence[str]) -> Frontend | Worker | None:
    """Return what a command line is for, None where it is for nothing that can be run here."""
    if "-m" not in command[:-1]:
        return None
    at = command.index("-m")
    module, words = command[at + 1], command[at + 2 :]
    if module == "dynamo.frontend":
        return Frontend(tuple(words))
    if module == "dynamo.mocker":
        return _worker(_mocker(words), words)
    return _worker(_ENGINES[module], words) if module in _ENGINES else None


def _mocker(words: Sequence[str]) -> _Engine:
    """Return the mocker as an engine: it keeps its flags, and says itself which engine it simulates."""
    kept = [name for name, _ in _flags(words) if not name.startswith(_ELSEWHERE)]
    kind = next((values[0] for name, values in _flags(words) if name == "--engine-type"), "vllm")
    return _Engine(kind, {name: name for name in kept if name != "--engine-type"}, ("--ais-tp-size", "--aic-tp-size"))


def _worker(engine: _Engine, words: Sequence[str]) -> Worker | None:
    written = dict(_flags(words))
    translated = {flag: written[name] for name, flag in engine.flags.items() if name in written}
    model = "".join(translated.pop("--model-path", ()))
    served_name = "".join(translated.pop("--model-name", ())) or model
    if not model:
        return None
    rest = (word for name, values in translated.items() for word in (name, *values))
    return Worker(
        arguments=("--engine-type", engine.kind, *rest),
        model=model,
        served_name=served_name,
        gpus=prod(int(written[name][0]) for name in engine.spread if name in written),
    )


def _flags(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield flags with their values, written as ``--flag value`` or ``--flag=value``."""
    starts = [number for number, word in enumerate(words) if word.startswith("--")]
    for start, end in pairwise([*starts, len(words)]):
        name, _, value = words[start].partition("=")
        yield name, [*([value] if value else []), *words[start + 1 : end]]
