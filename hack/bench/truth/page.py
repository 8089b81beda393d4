"""The page of the documentation: its tables and its picture are generated, its words are not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.calibration.table import CellError
from hack.bench.truth.curve import curves
from hack.bench.truth.picture import svg
from hack.bench.truth.report import Report
from hack.bench.truth.score import Score
from hack.calibration.validate import Outcome, errors
from hack.markdown import table

_DOCS = Path(__file__).parents[3] / "docs"
PAGE = _DOCS / "explanation" / "choices-and-measurements.md"
PICTURE = _DOCS / "images" / "calibration.svg"
_ERRORS = ("Points (families)", "TTFT before", "TTFT", "ITL before", "ITL", "80 % range holds")
_OBJECTIVES = (OptimizationType.THROUGHPUT, OptimizationType.HYBRID)


class PageError(Exception):
    """The page lacks a place for what is generated."""


def write(report: Report) -> None:
    """Write the generated parts of the page, and the picture.

    Raises:
        PageError: The page has no marks for one of them.
    """
    content = PAGE.read_text(encoding="utf-8")
    for name, part in parts(report).items():
        content = replaced(content, name, part)
    PAGE.write_text(content, encoding="utf-8")
    PICTURE.write_text(svg(list(curves(report.by_family))), encoding="utf-8")


def replaced(content: str, name: str, part: str) -> str:
    """Return a page with another content between two marks.

    Raises:
        PageError: It has no such marks.
    """
    begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
    found = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{part}\n{end}", content, flags=re.S)
    if found[1] != 1:
        raise PageError(f"the page needs '{begin}' and '{end}' once")
    return found[0]


def parts(report: Report) -> Mapping[str, str]:
    """Return what is generated, by the name of its place."""
    return {
        "errors": table(("One family left out", *_ERRORS), _errors(report.by_family)),
        "errors by system": table(("One system left out", *_ERRORS), _errors(report.by_system)),
        "rules": table(("Rule", *_titles("one family left out")), _scores(report.scores)),
        "rules by system": table(("Rule", *_titles("one system left out")), _scores(report.scores_by_system)),
        "rules by engine": table(
            ("Engine: rule", *_titles("one family left out")),
            [
                (f"{backend}: {rule}", *cells)
                for backend, scores in report.scores_by_engine.items()
                for rule, *cells in _scores(scores)
            ],
        ),
        "data": _data(report),
    }


def _titles(how: str) -> tuple[str, ...]:
    return f"Throughput: hit; loss; regret ({how})", "Hybrid (product): hit; loss; regret"


def _scores(scores: Mapping[str, Mapping[OptimizationType, Score]]) -> list[tuple[str, ...]]:
    return [
        (rule, *(_score(by_objective[objective]) for objective in _OBJECTIVES)) for rule, by_objective in scores.items()
    ]


def _score(found: Score) -> str:
    return f"{found.hit:.1%}; {found.loss:.1%} ± {found.error:.1%}; {found.regret:.1%}"


def _errors(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    for cell in errors(outcomes):
        before = _before([outcome for outcome in outcomes if _is_of(outcome, cell)])
        name = " ".join(str(part) for part in (cell.backend, cell.mode) if part) or "all"
        held = cell.in_80_percent_range
        yield (
            name,
            f"{cell.points} ({cell.families})",
            before[0],
            f"{cell.ttft_median:+.1%}; {cell.ttft_mean:.1%}",
            before[1],
            f"{cell.itl_median:+.1%}; {cell.itl_within_20_percent:.1%}",
            ", ".join(f"{number} {share:.0%}" for number, share in held.items()),
        )


def _before(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Return the same numbers of the simulator's own estimates."""
    pairs = [(outcome.sample.simulated, outcome.sample.measured) for outcome in outcomes]
    ttft = sorted(simulated.ttft / measured.ttft - 1 for simulated, measured in pairs)
    itl = sorted(simulated.itl / measured.itl - 1 for simulated, measured in pairs)
    mean = sum(map(abs, ttft)) / len(ttft)
    close = sum(abs(value) <= 0.2 for value in itl) / len(itl)  # noqa: PLR2004 - 20 %, as in the title
    return f"{ttft[len(ttft) // 2]:+.1%}; {mean:.1%}", f"{itl[len(itl) // 2]:+.1%}; {close:.1%}"


def _is_of(outcome: Outcome, cell: CellError) -> bool:
    simulated = outcome.sample.simulated
    return cell.backend in (None, simulated.backend) and cell.mode in (None, simulated.mode)


def _data(report: Report) -> str:
    fitted = report.provenance
    lines = [
        f"* {fitted.points} points of {len(fitted.families)} model families on {len(fitted.systems)} systems.",
        f"* Measured from {fitted.first_date} to {fitted.last_date}, where the day is known.",
        f"* AIC {fitted.engine_version}, `{fitted.data}` with SHA-256 `{fitted.sha256[:16]}…`.",
        f"* By family: {', '.join(f'{name} {count}' for name, count in fitted.families.items())}.",
        f"* By system: {', '.join(f'{name} {count}' for name, count in fitted.systems.items())}.",
        f"* Not used: {'; '.join(f'{count} {reason}' for reason, count in fitted.unused.items() if count)}.",
    ]
    return "\n".join(lines)
