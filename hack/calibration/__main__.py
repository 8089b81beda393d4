"""``make calibration``: fit the table again, say how well it does on what it was not fitted to, and write it."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from dgdr_controller.profiler import calibration
from dgdr_controller.profiler.calibration.table import Calibration, CellError
from hack.calibration.estimates import EstimatesError, samples
from hack.calibration.fit import fit
from hack.calibration.measurements import MeasurementsError
from hack.calibration.provenance import provenance_of
from hack.calibration.validate import errors, family, left_out, system

TABLE = Path(calibration.__file__).with_name("table.json")


def main() -> int:
    """Fit, validate, write; 1 where the measurements cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 where the table would change")
    asked = parser.parse_args()
    try:
        found = samples()
    except (MeasurementsError, EstimatesError) as error:
        print(f"make calibration: {error}", file=sys.stderr)
        return 1
    plain = provenance_of(found)
    by_family = tuple(errors(left_out(found.samples, family, plain)))
    for name, cells in (("family", by_family), ("system", errors(left_out(found.samples, system, plain)))):
        print(f"one {name} left out")
        for cell in cells:
            print(f"  {line(cell)}")
    content = text(fit(found.samples, provenance_of(found, by_family)))
    if asked.check:
        return int(not TABLE.exists() or TABLE.read_text(encoding="utf-8") != content)
    TABLE.write_text(content, encoding="utf-8")
    return 0


def line(cell: CellError) -> str:
    """Return the errors of an engine and mode in one line."""
    name = " ".join(str(part) for part in (cell.backend, cell.mode) if part) or "all"
    held = ", ".join(f"{number} {share:.0%}" for number, share in cell.in_80_percent_range.items())
    return (
        f"{name:<22} {cell.points:>5} points, {cell.families} families: TTFT median {cell.ttft_median:+.0%}, mean "
        f"{cell.ttft_mean:.0%}; ITL within 20 %: {cell.itl_within_20_percent:.0%}; in the 80 % range: {held}"
    )


def text(table: Calibration) -> str:
    """Return the file's content: a line for each row, so that a review sees what has changed."""
    content = table.model_dump(mode="json", by_alias=True, exclude_none=True)
    return "".join(_lines(content))


def _lines(content: dict[str, object]) -> Iterator[str]:
    yield "{\n"
    for number, (key, value) in enumerate(content.items()):
        comma = "," if number < len(content) - 1 else ""
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(f"    {json.dumps(row)}" for row in value)
            yield f'  "{key}": [\n{rows}\n  ]{comma}\n'
        elif isinstance(value, dict):
            yield f'  "{key}": {json.dumps(value, indent=2).replace(chr(10), chr(10) + "  ")}{comma}\n'
        else:
            yield f'  "{key}": {json.dumps(value)}{comma}\n'
    yield "}\n"


if __name__ == "__main__":
    sys.exit(main())
