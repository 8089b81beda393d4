import shlex

import pytest

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from e2e.graphs import MODEL, graph
from hack.dynamo import command
from hack.dynamo.command import Frontend, understood

MOCKER = "python3 -m dynamo.mocker --model-path org/m --model-name m --engine-type sglang --max-num-seqs 8"
STEPS = "--max-num-seqs 8 --max-num-batched-tokens 5504"
CHUNKS = "--sglang-chunked-prefill-size 5632 --sglang-max-prefill-tokens 5632"


@pytest.mark.parametrize(
    ("backend", "mode", "expected"),
    [
        (Backend.VLLM, Mode.AGGREGATED, {"worker": STEPS}),
        (
            Backend.VLLM,
            Mode.DISAGGREGATED,
            {role: f"{STEPS} --disaggregation-mode {role}" for role in ("prefill", "decode")},
        ),
        (Backend.SGLANG, Mode.AGGREGATED, {"worker": f"--max-num-seqs 8 --block-size 16 {CHUNKS}"}),
        (
            Backend.SGLANG,
            Mode.DISAGGREGATED,
            {
                "prefill": f"--block-size 16 {CHUNKS} --disaggregation-mode prefill",
                "decode": "--max-num-seqs 8 --block-size 16 --disaggregation-mode decode",
            },
        ),
        (Backend.TRTLLM, Mode.AGGREGATED, {"worker": STEPS}),
        (
            Backend.TRTLLM,
            Mode.DISAGGREGATED,
            {role: f"{STEPS} --disaggregation-mode {role}" for role in ("prefill", "decode")},
        ),
    ],
)
def test_command_line_of_an_engine_becomes_the_simulators(
    backend: Backend, mode: Mode, expected: dict[str, str]
) -> None:
    _, *components = graph("n", "g", backend, mode)["spec"]["components"]
    assert {component["name"] for component in components} == set(expected)
    for component in components:
        container = component["podTemplate"]["spec"]["containers"][0]
        worker = understood([*container["command"], *container["args"]])
        assert isinstance(worker, command.Worker)
        said = f"--engine-type {backend} --max-model-len 5000 {expected[component['name']]}"
        assert shlex.join(worker.arguments) == said
        assert (worker.model, worker.served_name, worker.gpus) == (MODEL, MODEL, 2)


@pytest.mark.parametrize(
    ("line", "gpus"),
    [
        ("dynamo.vllm --model m --tensor-parallel-size 4 --pipeline-parallel-size 2", 8),
        ("dynamo.sglang --model-path m --tp-size=4 --pp-size 2", 8),
        ("dynamo.trtllm --model m --tensor-parallel-size 4", 4),
        ("dynamo.mocker --model-path m --ais-tp-size 4 --data-parallel-size 2", 4),
    ],
)
def test_times_are_those_of_the_gpus_of_one_copy(line: str, gpus: int) -> None:
    worker = understood(["python3", "-m", *line.split()])
    assert isinstance(worker, command.Worker)
    assert worker.gpus == gpus


def test_simulators_own_is_kept_but_for_the_times() -> None:
    ais = "--ais-perf-model --ais-backend sglang --ais-tp-size 4 --ais-attention-dp-size 1 --planner-profile-data /p"
    worker = understood(shlex.split(f"{MOCKER} {ais} --speedup-ratio=1.0 --no-enable-prefix-caching"))
    assert worker == command.Worker(
        ("--engine-type", "sglang", "--max-num-seqs", "8", "--speedup-ratio", "1.0", "--no-enable-prefix-caching"),
        *("org/m", "m", 4),
    )


def test_silence_means_the_default() -> None:
    worker = understood(["python3", "-m", "dynamo.vllm", "--model", "org/m"])
    assert worker == command.Worker(("--engine-type", "vllm"), "org/m", "org/m", 1)
    assert understood(["python3", "-m", "dynamo.frontend", "--router-mode", "kv"]) == Frontend(("--router-mode", "kv"))


@pytest.mark.parametrize(
    "line", ["", "python3 -m", "python3 -m dynamo.planner --config x", "/bin/serve", "python3 -m dynamo.vllm"]
)
def test_command_line_that_is_not_understood_is_not_run(line: str) -> None:
    assert understood(line.split()) is None
