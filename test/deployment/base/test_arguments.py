import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_controller.deployment.base.arguments import module, program, replaced, runs_a_shell

VLLM = "python3 -m dynamo.vllm"


RESULTS = {
    ("--a 1 --b", "--c 2"): "--c 2 --a 1 --b",
    ("--a=1 --b", "--a 2"): "--a 2 --b",
    ("--a 1 --b 1 2 3 --c", "--b 4"): "--b 4 --a 1 --c",
    ('--a \'{"x": -1}\' --b', "--b"): '--b --a \'{"x": -1}\'',
    ("--seed -1 --scale -.5 --a", "--a"): "--a --seed -1 --scale -.5",
    ("-tp 8", "--tensor-parallel-size 2"): "--tensor-parallel-size 2",
    ("--tp 8 --tp-size=8 --tensor_parallel_size 8", "--tp-size 2"): "--tp-size 2",
    ("-pp 2 --dp-size 8 -ep --enable-dp-attention --ep 4 --disaggregation-mode decode", "--a"): "--a",
    ("--is-prefill-worker --x", "--disaggregation-mode prefill"): "--disaggregation-mode prefill --x",
    ("--model-path a --context-length 5 --max-running-requests 3", "--model b --max-model-len 6 --max-num-seqs 4"): "--model b --max-model-len 6 --max-num-seqs 4",
    ("--connector nixl", "--kv-transfer-config '{}'"): "--kv-transfer-config '{}'",
    ("--connector nixl", "--a"): "--a --connector nixl",
    ("--no-enable-prefix-caching", "--enable-prefix-caching"): "--enable-prefix-caching",
    ("--trtllm.kv_cache_config.dtype fp8 --trtllm.other 1", "--trtllm.kv-cache-config.dtype auto"): "--trtllm.kv-cache-config.dtype auto --trtllm.other 1",
    ("", "--a"): "--a",
    ("--a", ""): "--a",
}  # fmt: skip
"""Their flags, ours, and what comes of both."""


@pytest.mark.parametrize("flags", RESULTS)
def test_flags_of_the_same_meaning_go(flags: tuple[str, str]) -> None:
    theirs, ours = (shlex.split(f"{VLLM} {words}") for words in flags)
    assert shlex.join(replaced(theirs, ours)) == RESULTS[flags]


@pytest.mark.parametrize(
    ("words", "start", "runs"),
    [
        (f"{VLLM} --a", VLLM, "dynamo.vllm"),
        ("python3 -u -m dynamo.vllm --a -m b", "python3 -u -m dynamo.vllm", "dynamo.vllm"),
        ("/opt/start serve --a", "/opt/start serve", None),
        ("/opt/start -x --a", "/opt/start", None),
        ("--a -m b", "", None),
        ("python3 -m", "python3 -m", None),
        ("", "", None),
    ],
)
def test_command_line_begins_with_its_program(words: str, start: str, runs: str | None) -> None:
    assert shlex.join(program(words.split())) == start
    assert module(words.split()) == runs


@pytest.mark.parametrize(
    ("words", "is_shell"), [("/bin/sh -c x", True), ("bash -c x", True), (VLLM, False), ("", False)]
)
def test_shell_is_recognised(words: str, is_shell: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert runs_a_shell(words.split()) is is_shell


FLAGS = st.lists(st.lists(st.sampled_from(["1", "x", "-2"]), max_size=2).flatmap(
    lambda values: st.sampled_from(["--a", "--b", "-tp", "--tp-size", "--model"]).map(lambda name: [name, *values])
))  # fmt: skip


@given(theirs=FLAGS, ours=FLAGS)
def test_flags_of_the_plan_are_all_there_and_replacing_again_changes_nothing(
    theirs: list[list[str]], ours: list[list[str]]
) -> None:
    before, planned = ([*VLLM.split(), *(word for flag in flags for word in flag)] for flags in (theirs, ours))
    once = replaced(before, planned)
    assert once[: len(planned) - 3] == planned[3:]
    assert replaced([*VLLM.split(), *once], planned) == once
    assert all(flag[0] in once for flag in theirs if flag[0] in ("--a", "--b"))
