"""``make recipes``: plan every request of ``requests.yaml`` and put the plan beside the recipe.

With the variable ``PLANS`` set to ``write``, the plans that engines judge (``hack.engines.plans``) are written anew.

The comparison is for a reader: a recipe is one point that somebody has tuned, often with what a request cannot say
(prefix caching, a router, speculative decoding). It ends with 1 where a request gets no plan, or one over its budget.
"""

import argparse
import re
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
from hack.engines import plans

_REQUESTS = Path(__file__).with_name("requests.yaml")
_DEADLINE_S = 600.0
_PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "plans-and-recipes.md"
_TITLES = ("Request", "Asked for", "Plan", "Estimate", "Recipe", "Why it differs")
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def main() -> int:
    """Plan, and print a line for each request; the page of the documentation is written anew if that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only requests whose id contains this")
    parser.add_argument("--page", action="store_true", help=f"write the table of {_PAGE.name} anew")
    asked = parser.parse_args()
    entries = [entry for entry in yaml.safe_load(_REQUESTS.read_text()) if asked.only in entry["id"]]
    rows, failed = [], False
    for number, entry in enumerate(entries, 1):
        try:
            results = plan(entry)
            plans.record(entry["id"], results)
            cells = _cells(entry, results)
        except ProfilerError as error:
            cells, failed = (_name(entry), f"no plan: {error}"), True
        rows.append(cells)
        print(f"{number}/{len(entries)}", " | ".join(cells), flush=True)
    if asked.page and not failed and not asked.only:
        table = "\n".join([*_table(rows), ""])
        _PAGE.write_text(_TABLE.sub(lambda _: table, _PAGE.read_text(encoding="utf-8")), encoding="utf-8")
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
    plan = (f"{choice.backend} {choice.shape}", _of_workers(choice, "batch"), _of_workers(choice, "max_num_tokens"))
    estimate = (
        f"{significant(performance.tokens_per_s / budget)} tokens/s/GPU",
        f"TTFT {significant(performance.ttft)} ms",
        f"ITL {significant(performance.itl)} ms",
        *([f"{_share(served(choice, goal, budget))} of the load"] if goal.concurrency or goal.request_rate else []),
    )
    return (
        _name(entry),
        _asked(goal),
        f"{choice.gpus} of {budget} {hardware.gpu_sku}: {'; '.join(plan)}; {choice.context_length}",
        ", ".join(estimate),
        _recipe(entry.get("recipe")),
        entry["differs"],
    )


def _name(entry: dict[str, Any]) -> str:
    hardware = entry["spec"]["hardware"]
    return f"{entry['spec']['model'].rpartition('/')[2]} on {hardware['totalGpus']} {hardware['gpuSku']}"


def _share(share: float) -> str:
    return percentage(share) if share < 1 else "100%"


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
    return "; ".join(str(recipe[name]) for name in ("deployment", "batch", "chunk", "context"))


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(_TITLES)} |"
    yield f"|{' --- |' * len(_TITLES)}"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
