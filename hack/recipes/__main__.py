"""``make recipes``: plan every request of ``requests.yaml`` and put the plan beside the recipe, as a Markdown table.

The comparison is for a reader: a recipe is one point that somebody has tuned, often with what a request cannot say
(prefix caching, a router, speculative decoding). It ends with 1 where a request gets no plan, or one over its budget.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dgdr_api.candidate import Candidate
from dgdr_api.formatting import percentage, significant
from dgdr_api.names import GROUP, KIND
from dgdr_api.parse import parse_request
from dgdr_api.results import Goal, Results
from dgdr_controller.profiler.errors import ProfilerError
from dgdr_controller.profiler.hardware import HardwareOptions
from dgdr_controller.profiler.rapid import rapid
from dgdr_controller.profiler.request import plan_request
from dgdr_controller.profiler.selection.scaling import served

_REQUESTS = Path(__file__).with_name("requests.yaml")
_DEADLINE_S = 600.0
_TITLES = (
    "Request", "Workload, targets", "GPUs", "Plan", "Batch", "Step tokens", "Context", "TTFT, ITL ms", "tok/s/GPU",
    "Load", "Recipe", "Why it differs",
)  # fmt: skip


def main() -> int:
    """Plan, and print a line for each request; the table goes to a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only requests whose id contains this")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write the table to")
    asked = parser.parse_args()
    entries = [entry for entry in yaml.safe_load(_REQUESTS.read_text()) if asked.only in entry["id"]]
    rows, failed = [], False
    for number, entry in enumerate(entries, 1):
        try:
            cells = _cells(entry, plan(entry))
        except ProfilerError as error:
            cells, failed = (entry["id"], f"no plan: {error}"), True
        rows.append(cells)
        print(f"{number}/{len(entries)}", " | ".join(cells), flush=True)
    if asked.output is not None:
        asked.output.write_text("\n".join(_table(rows)) + "\n")
    return int(failed)


def plan(entry: dict[str, Any]) -> Results:
    """Plan a request as `dgdr plan` does.

    Raises:
        ProfilerError: There is no plan.
    """
    manifest = {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": KIND,
        "metadata": {"name": "recipe", "annotations": entry.get("annotations")},
        "spec": entry["spec"],
    }
    request = plan_request(parse_request(manifest), HardwareOptions())
    results = rapid(request, lambda _: None, _DEADLINE_S)
    if results.choice is None or results.choice.gpus > request.total_gpus:
        raise ProfilerError("nothing can be deployed within the budget")
    return results


def _cells(entry: dict[str, Any], results: Results) -> tuple[str, ...]:
    choice, goal, hardware = results.choice, results.goal, results.hardware
    if choice is None or choice.performance is None:
        raise ProfilerError("planned by memory fit alone")
    budget, performance = hardware.total_gpus.value, choice.performance
    return (
        entry["id"],
        _asked(goal),
        f"{choice.gpus} of {budget} {hardware.gpu_sku}",
        f"{choice.backend} {choice.shape}",
        _of_workers(choice, "batch"),
        _of_workers(choice, "max_num_tokens"),
        str(choice.context_length),
        f"{significant(performance.ttft)}, {significant(performance.itl)}",
        significant(performance.tokens_per_s / budget),
        percentage(share) if (share := served(choice, goal, budget)) < 1 else "100%",
        _recipe(entry.get("recipe")),
        entry.get("differs", ""),
    )


def _asked(goal: Goal) -> str:
    targets = (("TTFT", goal.ttft), ("ITL", goal.itl), ("E2E", goal.e2e_latency))
    written = [f"{name} {target.value:g}" for name, target in targets if target is not None and target.explicit]
    load = [f"{goal.concurrency:g} at once"] if goal.concurrency else []
    load += [f"{goal.request_rate:g}/s"] if goal.request_rate else []
    return ", ".join([f"{goal.isl}/{goal.osl}", *load, *written, *(["planner"] if goal.autoscale else [])])


def _of_workers(choice: Candidate, name: str) -> str:
    return " / ".join(str(getattr(worker, name)) for worker in choice.workers)


def _recipe(recipe: dict[str, Any] | None) -> str:
    if recipe is None:
        return "–"
    return f"{recipe['deployment']}; batch {recipe['batch']}, step {recipe['chunk']}, context {recipe['context']}"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(_TITLES)} |"
    yield f"|{' --- |' * len(_TITLES)}"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
