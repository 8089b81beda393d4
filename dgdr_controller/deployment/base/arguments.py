"""Command lines of engines: the flags of a plan in place of those that somebody else wrote.

Names that an engine takes for the same flag: vLLM 0.31 ``engine/arg_utils.py``, SGLang 0.5.21 ``server_args.py``,
``dynamo.trtllm`` 1.6.1 ``backend_args.py``. Only flags that a plan writes, or must not find, are listed.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

_PARALLELISM = (
    ("--tensor-parallel-size", "-tp", "--tp", "--tp-size"),
    ("--pipeline-parallel-size", "-pp", "--pp", "--pp-size"),
    ("--data-parallel-size", "-dp", "--dp", "--dp-size"),
    ("--expert-parallel-size", "--ep", "--ep-size"),
    ("--enable-expert-parallel", "-ep"),
    ("--enable-dp-attention", "--enable-attention-dp"),
)
_ROLE = (("--disaggregation-mode", "--disaggregation-strategy", "--is-prefill-worker", "--is-decode-worker"),)
_OTHERS = (
    ("--model", "--model-path"),
    ("--max-model-len", "--context-length", "--max-seq-len"),
    ("--max-num-seqs", "--max-running-requests", "--max-batch-size"),
    ("--kv-transfer-config", "--connector"),
)
_NAMES = {name: names[0] for names in (*_PARALLELISM, *_ROLE, *_OTHERS) for name in names}
_OF_THE_PLAN = {names[0] for names in (*_PARALLELISM, *_ROLE)}
"""Flags that only the plan may write: one that it leaves out means the engine's default."""

_SHELLS = {"sh", "bash", "dash", "ash", "zsh", "ksh"}
_FLAG = re.compile(r"-[^0-9.].*")
"""A word that begins a flag; others are values, negative numbers among them."""


def program(words: Sequence[str]) -> list[str]:
    """Return the beginning of a command line, up to its first flag: what runs."""
    first = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
    if "-m" in words[:first]:  # of Python, whose own flags come before it
        return list(words[: words.index("-m") + 2])
    return list(words[: next((i for i, word in enumerate(words) if _FLAG.fullmatch(word)), len(words))])


def module(words: Sequence[str]) -> str | None:
    """Return the Python module that a command line runs; None when it runs something else."""
    start = program(words)
    return start[-1] if "-m" in start[:-1] else None


def runs_a_shell(words: Sequence[str]) -> bool:
    """Say whether a command line is handed to a shell, whose script we do not read."""
    return bool(words) and PurePosixPath(words[0]).name in _SHELLS


def replaced(theirs: Sequence[str], ours: Sequence[str]) -> list[str]:
    """Return the flags of our command line and, behind them, those of theirs that ours says nothing about.

    Args:
        theirs: A whole command line.
        ours: The command line of the plan, whole.
    """
    flags = list(_flags(ours))
    settled = _OF_THE_PLAN | {_meaning(flag) for flag in flags}
    kept = [flag for flag in _flags(theirs) if _meaning(flag) not in settled]
    return [word for flag in (*flags, *kept) for word in flag]


def _flags(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield each flag with its values; values before the first flag are none of a flag and come alone."""
    flag: list[str] = []
    for word in words[len(program(words)) :]:
        if _FLAG.fullmatch(word) and flag:
            yield flag
            flag = []
        flag.append(word)
    if flag:
        yield flag


def _meaning(flag: Sequence[str]) -> str:
    """Return the one name of a flag: without value, alias, negation, and with dashes (vLLM takes both)."""
    name = flag[0].partition("=")[0].replace("_", "-")
    name = f"--{name.removeprefix('--no-')}" if name.startswith("--no-") else name
    return _NAMES.get(name, name)
