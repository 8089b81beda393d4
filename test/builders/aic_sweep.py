"""AIC's own sweep as a program: arguments of its tasks in, as JSON; the rows of their tables out. Nothing of ours."""

import importlib
import json
import logging
import sys
import warnings


def main() -> None:
    """Run one task after the other; one that nothing is good enough for adds no rows."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    task = importlib.import_module("aiconfigurator.sdk.task_v2").Task
    nothing = importlib.import_module("aiconfigurator.sdk.errors").NoResultsError
    rows = []
    for arguments in json.loads(sys.argv[1]):
        try:
            rows += task(**arguments).run().to_dict("records")
        except nothing:
            continue
    sys.stdout.write(json.dumps(rows, default=str))


if __name__ == "__main__":
    main()
