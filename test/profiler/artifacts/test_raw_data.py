import io

import numpy as np

from dgdr_controller.profiler.artifacts.raw_data import raw_data
from test.builders.results import planned_results, results_of


def test_curves_have_the_columns_that_dynamos_profiler_writes() -> None:
    made = raw_data(planned_results())
    assert list(made) == ["selected_prefill_interpolation/raw_data.npz", "selected_decode_interpolation/raw_data.npz"]
    prefill, decode = (dict(np.load(io.BytesIO(content))) for content in made.values())
    assert {name: values.tolist() for name, values in prefill.items()} == {
        "prefill_isl": [100, 5000, 10_000],
        "prefill_ttft": [8, 200, 500],
        "prefill_thpt_per_gpu": [6000, 9000, 8000],
    }
    assert {name: values.tolist() for name, values in decode.items()} == {
        "x_kv_usage": [0.1, 0.9, 0.1, 0.9],
        "y_context_length": [1000, 1000, 9000, 9000],
        "z_itl": [6, 30, 5, 20],
        "z_thpt_per_gpu": [900, 2000, 500, 800],
        "max_kv_tokens": [1_800_000],
    }


def test_archives_have_the_same_bytes_each_time() -> None:
    assert raw_data(planned_results()) == raw_data(planned_results())


def test_results_without_curves_have_no_raw_data() -> None:
    assert raw_data(results_of()) == {}
    assert raw_data(results_of(selected=None)) == {}
