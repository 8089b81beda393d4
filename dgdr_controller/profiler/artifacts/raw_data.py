"""The planner's curves as NumPy archives, in the folders where Dynamo's planner and its tools look for them.

Source: ``dynamo.profiler`` 1.6.1 (``selected_prefill_interpolation/raw_data.npz``), whose names of columns they have.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgdr_api.candidate import Role
from dgdr_api.results import Results
from dgdr_controller.deployment.render.planner import columns_of, curves_of

RAW_DATA = {
    Role.PREFILL: "selected_prefill_interpolation/raw_data.npz",
    Role.DECODE: "selected_decode_interpolation/raw_data.npz",
}


def raw_data(results: Results) -> dict[str, bytes]:
    """Return the archives of the chosen candidate's workers by name; none where it has no curves."""
    choice = results.choice
    curves = curves_of(choice, results.curves) if choice else {}
    return {RAW_DATA[role]: _archive(columns_of(curve)) for role, curve in curves.items()}


def _archive(columns: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {name: np.atleast_1d(np.asarray(values)) for name, values in columns.items()}
    np.savez(file, **arrays)
    return file.getvalue()
