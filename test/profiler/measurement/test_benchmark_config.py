"""What AIPerf is asked to do."""

from pathlib import Path
from typing import Any

import pytest

from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, Load, configuration, load_of

ENDPOINT = Endpoint(url="http://f:8000", model="m", tokenizer="org/m", isl=4000, osl=1000)


def benchmark(*loads: Load) -> dict[str, Any]:
    return dict(configuration(ENDPOINT, loads, Path("/out"), 7, 60.0)["benchmark"])


@pytest.mark.parametrize(
    ("concurrency", "osl", "requests", "warmup"),
    [(1, 1000, 20, 1), (8, 1000, 40, 8), (64, 1000, 320, 16), (64, 100, 320, 16), (64, 50, 640, 16), (64, 1, 1280, 16)],
)
def test_load_has_five_requests_for_each_in_flight_and_more_with_short_answers(
    concurrency: int, osl: int, requests: int, warmup: int
) -> None:
    assert load_of(concurrency, osl) == Load(concurrency, requests, warmup)


def test_configuration_has_a_warm_up_and_a_phase_for_each_load() -> None:
    phases = benchmark(Load(1, 20, 1), Load(8, 40, 8))["phases"]
    assert [(phase["name"], phase["kind"], phase["concurrency"], phase["requests"]) for phase in phases] == [
        ("warmup-1", "warmup", 1, 1),
        ("load-1", "profiling", 1, 20),
        ("warmup-8", "warmup", 8, 8),
        ("load-8", "profiling", 8, 40),
    ]


def test_configuration_has_a_prompt_for_each_request() -> None:
    dataset = benchmark(Load(1, 20, 1), Load(8, 40, 8))["dataset"]
    assert dataset["entries"] == 69
    assert (dataset["isl"], dataset["osl"]) == ({"mean": 4000, "stddev": 0}, {"mean": 1000, "stddev": 0})


def test_configuration_avoids_what_changes_the_numbers() -> None:
    endpoint = benchmark(Load(1, 20, 1))["endpoint"]
    assert (endpoint["connectionReuse"], endpoint["useServerTokenCount"]) == ("never", True)
    assert endpoint["extra"] == {"ignore_eos": True, "min_tokens": 1000}
    assert (endpoint["url"], endpoint["timeout"]) == ("http://f:8000", 60.0)


@pytest.mark.parametrize(("concurrency", "workers", "processors"), [(1, 1, 1), (64, 1, 1), (65, 2, 1), (512, 8, 2)])
def test_configuration_has_processes_for_the_load_and_not_for_the_cores_of_the_node(
    concurrency: int, workers: int, processors: int
) -> None:
    runtime = benchmark(Load(concurrency, 20, 1))["runtime"]
    assert (runtime["workers"], runtime["recordProcessors"]) == (workers, processors)


@pytest.mark.parametrize(("seed", "expected"), [(7, 7), (2**32, 0), (1_796_077_377_000_000_007, 3174255111)])
def test_seed_has_as_many_bits_as_aiperf_takes(seed: int, expected: int) -> None:
    assert configuration(ENDPOINT, [Load(1, 20, 1)], Path("/out"), seed, 60.0)["randomSeed"] == expected
