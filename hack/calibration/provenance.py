"""What a table was fitted to."""

from collections import Counter
from collections.abc import Iterable

from dgdr_controller.profiler.calibration.table import CalibrationProvenance, CellError
from hack.calibration.estimates import DATA, ENGINE, Samples
from hack.calibration.validate import family, system


def provenance_of(found: Samples, errors: Iterable[CellError] = ()) -> CalibrationProvenance:
    """Return the provenance of a table that is fitted to these points."""
    first, last = found.measurements.dates
    return CalibrationProvenance(
        engine=ENGINE,
        engine_version=found.version,
        data=DATA,
        sha256=found.measurements.sha256,
        points=len(found.samples),
        families=dict(sorted(Counter(map(family, found.samples)).items())),
        systems=dict(sorted(Counter(map(system, found.samples)).items())),
        first_date=first,
        last_date=last,
        unused=dict(sorted(found.unused.items())),
        errors=tuple(errors),
    )
