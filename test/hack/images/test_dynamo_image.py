import re

import pytest

from dgdr_controller.settings import VERIFIED_DYNAMO_VERSION
from test.builders.image import Image

pytestmark = [pytest.mark.images]

MOCKER_MODE = (
    *("--model-path", "--model-name", "--speedup-ratio", "--disaggregation-mode", "--engine-type"),
    *("--max-num-seqs", "--max-num-batched-tokens", "--max-model-len", "--data-parallel-size"),
    *("--ais-perf-model", "--ais-backend", "--ais-backend-version", "--ais-system"),
    *("--ais-tp-size", "--ais-attention-dp-size", "--ais-moe-tp-size", "--ais-moe-ep-size"),
)
"""What a deployment in mocker mode says, times included, which local clusters leave out."""
SIMULATED = ("--kv-cache-dtype", "--block-size", "--sglang-chunked-prefill-size", "--sglang-max-prefill-tokens")
"""What engines' flags become besides."""


def test_simulator_knows_every_flag(dynamo: Image) -> None:
    code, said = dynamo.run("-m", "dynamo.mocker", "--help")
    assert code == 0, said
    known = set(re.findall(r"--[a-z0-9-]+", said))
    assert {*MOCKER_MODE, *SIMULATED, "--planner-profile-data"} <= known


def test_image_is_of_the_release_that_is_rendered_for(dynamo: Image) -> None:
    assert dynamo.run("-m", "dynamo.frontend", "--version") == (0, f"Dynamo Frontend {VERIFIED_DYNAMO_VERSION}\n")


def test_image_holds_no_engine_and_no_tests(dynamo: Image) -> None:
    assert dynamo.config["Labels"]["org.opencontainers.image.title"] == "dgdr-dynamo"
    (package,) = dynamo.root.glob("opt/dgdr/lib/python3*/site-packages/dynamo")
    assert not {"vllm", "sglang", "trtllm", "planner", "profiler"} & {path.name for path in package.iterdir()}
    assert list(package.parent.rglob("tests")) == []
