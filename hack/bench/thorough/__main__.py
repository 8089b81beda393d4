"""``make bench-thorough``: print the ratios; 1 if a bar is missed."""

import argparse
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from dgdr_controller.profiler.measurement.trial_search import Limits
from hack.bench.thorough.cases import CASES, goals
from hack.bench.thorough.report import Summary, compare
from hack.bench.thorough.surfaces import Surface


def main() -> int:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="surfaces of each case and goal (default 10)")
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    parser.add_argument("--goal", default="", help="only goals whose name contains this")
    parser.add_argument("--worst", action="store_true", help="name the surfaces whose choice is not within 5 percent")
    asked = parser.parse_args()
    missed = False
    print(Summary.HEAD)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for case in (case for case in CASES if asked.case in case.name):
            options, limits = case.options(), Limits(most_trials=case.most_trials)
            for name, goal in goals(asked.goal):
                surfaces = (Surface(options, goal, case.gpus, seed) for seed in range(asked.seeds))
                summary = Summary(f"{case.name}: {name}", tuple(pool.map(partial(compare, limits=limits), surfaces)))
                missed |= bool(summary.missed)
                print(summary.line, flush=True)
                _print(summary.worst if asked.worst else ())
    return int(missed)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"    {line}")


if __name__ == "__main__":
    sys.exit(main())
