"""Tables, estimates and measured points for tests of the calibration."""

import math
from collections.abc import Sequence
from typing import Any

from dgdr_api.candidate import Mode, Parallelism, Role
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.calibration.simulated import Simulated
from dgdr_controller.profiler.calibration.table import Calibration, CalibrationProvenance, Row, TtftTerms
from hack.calibration.estimates import Sample
from hack.calibration.measurements import Checkpoint, MeasuredWorker, Measurement

PROBABILITIES = (0.02, 0.1, 0.5, 0.9, 0.98)
ORDINARY = {
    "backend": Backend.VLLM, "mode": Mode.AGGREGATED, "isl": 1000, "osl": 101, "concurrency": 8, "gpus": 2,
    "ttft": 40.0, "itl": 10.0, "tokens_per_s_per_gpu": 350.0, "queue": 320.0, "decode": 8.0,
}  # fmt: skip
MEASURED = {
    "line": 2, "model": "org/model", "system": "h200_sxm", "backend": Backend.VLLM, "version": "1", "precision": "fp8",
    "mode": Mode.AGGREGATED, "isl": 1000, "osl": 101, "concurrency": 8, "ttft": 120.0, "itl": 11.0,
    "date": "2026-01-01", "vetted": True,
}  # fmt: skip


def simulated(**changes: Any) -> Simulated:
    return Simulated(**{**ORDINARY, **changes})


def provenance(**changes: Any) -> CalibrationProvenance:
    facts: dict[str, Any] = {
        "engine": "aiconfigurator", "engine_version": "0.12.0", "data": "systems/silicon_sample.csv",
        "sha256": "a" * 64, "points": 1, "families": {"A": 1}, "systems": {"h200_sxm": 1}, "first_date": "",
        "last_date": "", "unused": {}, "errors": (),
    }  # fmt: skip
    return CalibrationProvenance(**{**facts, **changes})


def row(median: float = 1.0, spread: float = 2.0, **changes: Any) -> Row:
    """A row whose 80 % range is from median / spread to median × spread, in every number."""
    steps = [math.log(median) + math.log(spread) * part for part in (-2, -1, 0, 1, 2)]
    numbers: dict[str, Any] = {"families": 5, "points": 50, "ttft": steps, "itl": steps, "throughput": steps}
    return Row(**{**{name: tuple(v) if isinstance(v, list) else v for name, v in numbers.items()}, **changes})


def terms(ttft: float = 1.0, **changes: Any) -> TtftTerms:
    return TtftTerms(**{"simulated": ttft, "queue": 0.0, "decode": 0.0, "constant_ms": 0.0, **changes})


def calibration(rows: Sequence[Row] = (), ttft: Sequence[TtftTerms] = ()) -> Calibration:
    """A table whose last row and terms are for everything."""
    return Calibration(
        provenance=provenance(), probabilities=PROBABILITIES, ttft=(*ttft, terms()), rows=(*rows, row(spread=4.0))
    )


def measurement(family: str = "A", tp: int = 2, batch: int = 8, **changes: Any) -> Measurement:
    facts = {**MEASURED, "concurrency": batch, **changes}
    worker = MeasuredWorker(Role.AGGREGATED, Parallelism(tp=tp), 1, batch)
    return Measurement(checkpoint=Checkpoint(family, "org/model", dense=True), workers=(worker,), **facts)


def sample(measured: Measurement, **changes: Any) -> Sample:
    facts = {
        "backend": measured.backend, "mode": measured.mode, "isl": measured.isl, "osl": measured.osl,
        "concurrency": measured.concurrency, "gpus": measured.gpus,
    }  # fmt: skip
    return Sample(measured, simulated(**{**facts, **changes}))
