"""``make bench-truth``: print the figures; ``OPTIONS=--page`` writes the page and its picture anew."""

import argparse
import sys

from dgdr_controller.profiler.calibration import Calibration, CalibrationError
from hack.bench.truth.page import PAGE, PICTURE, write
from hack.bench.truth.report import measure
from hack.calibration.estimates import ENGINE, EstimatesError, samples
from hack.calibration.measurements import MeasurementsError


def main() -> int:
    """Measure and print; 1 where the measurements cannot be read, or the table is for others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.name} and {PICTURE.name}")
    asked = parser.parse_args()
    try:
        found = samples()
        Calibration.load().check(ENGINE, found.version, found.measurements.sha256)
    except (MeasurementsError, EstimatesError, CalibrationError) as error:
        print(f"make bench-truth: {error}", file=sys.stderr)
        return 1
    report = measure(found)
    if asked.page:
        write(report)
    print(report.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
