"""The table of candidates: which are shown, in which columns, at which width."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.table import Table

from dgdr_api.candidate import Candidate, Mode, Outcome, Role
from dgdr_api.estimates import Chances
from dgdr_api.formatting import likelihood, significant
from dgdr_api.results import Results

ROWS = 12
"""Candidates shown; all of them are in ``results.json``."""

_MARKS = {Outcome.SELECTED: "→", Outcome.ALTERNATIVE: "·"}
_STYLES = {Outcome.SELECTED: "bold green", Outcome.DOMINATED: "dim", Outcome.MISSES_TARGET: "yellow"}
_MODES = {Mode.AGGREGATED: "agg", Mode.DISAGGREGATED: "disagg"}
_ROLES = {Role.AGGREGATED: "", Role.PREFILL: " prefill", Role.DECODE: " decode"}


@dataclass(frozen=True, slots=True)
class _Column:
    """One column: its title, the text of a cell, and the least width of the terminal at which it is shown."""

    title: str
    cell: Callable[[Candidate], str]
    least_width: int = 0
    right: bool = False


def _outcome(candidate: Candidate) -> Outcome:
    return candidate.verdict.outcome if candidate.verdict else Outcome.DOMINATED


def _number(candidate: Candidate, name: str) -> str:
    return significant(getattr(candidate.performance, name)) if candidate.performance else "unknown"


def _reason(candidate: Candidate) -> str:
    return candidate.verdict.reason if candidate.verdict else ""


def _shape(candidate: Candidate) -> str:
    parts = (f"{w.count * candidate.replicas}×{w.parallelism}{_ROLES[w.role]}" for w in candidate.workers)
    drafts = f", {candidate.draft_tokens} drafted" if candidate.draft_tokens else ""
    return " + ".join(parts) + drafts


def _likely(candidate: Candidate) -> str:
    """Write how likely it meets all targets, written or default."""
    chances = candidate.uncertainty.chances if candidate.uncertainty else Chances()
    known = [chance for chance in (chances.ttft, chances.itl, chances.e2e) if chance is not None]
    return likelihood(math.prod(known)) if known else ""


_COLUMNS = (
    _Column("", lambda c: _MARKS.get(_outcome(c), " ")),
    _Column("engine", lambda c: c.backend.value),
    _Column("mode", lambda c: _MODES[c.mode]),
    _Column("workers", _shape),
    _Column("batch", lambda c: "/".join(str(worker.batch) for worker in c.workers), least_width=90, right=True),
    _Column("GPUs", lambda c: str(c.gpus), least_width=90, right=True),
    _Column("tok/s/GPU", lambda c: _number(c, "tokens_per_s_per_gpu"), right=True),
    _Column("tok/s/user", lambda c: _number(c, "tokens_per_s_per_user"), least_width=90, right=True),
    _Column("TTFT ms", lambda c: _number(c, "ttft"), right=True),
    _Column("ITL ms", lambda c: _number(c, "itl"), right=True),
    _Column("all targets", _likely, least_width=100, right=True),
    _Column("verdict", lambda c: _outcome(c).value, least_width=115),
    _Column("why", _reason, least_width=170),
)


_ID = _Column("id", lambda c: c.id)


def candidate_table(candidates: Iterable[Candidate], width: int, *, ids: bool = False) -> Table:
    """Build the table for a terminal of this many columns; what does not fit is left out, never cut.

    Args:
        candidates: The candidates, in the order of the rows.
        width: Columns of the terminal.
        ids: Whether to show the candidates' ids, which commands about one of them take.
    """
    columns = [column for column in (*([_ID] if ids else []), *_COLUMNS) if width >= column.least_width]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        last = column is _COLUMNS[-1]
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=not last, overflow="fold")
    for candidate in candidates:
        table.add_row(*(column.cell(candidate) for column in columns), style=_STYLES.get(_outcome(candidate), ""))
    return table


def in_order(results: Results) -> list[Candidate]:
    """Return all candidates: by verdict, then by falling tokens/s/GPU."""
    return sorted(results.candidates, key=_rank)


def shown(results: Results) -> list[Candidate]:
    """Choose the candidates to show: the choice, the best of each engine and mode, then along the front."""
    ranked = in_order(results)
    best = {(c.backend, c.mode): c for c in reversed(ranked)}.values()
    alternatives = [c for c in ranked if _outcome(c) is Outcome.ALTERNATIVE]
    spread = alternatives[:: max(1, len(alternatives) // ROWS)]
    chosen = {c.id: c for c in [*ranked[:1], *best, *spread, *ranked]}
    return sorted(list(chosen.values())[:ROWS], key=_rank)


def _rank(candidate: Candidate) -> tuple[int, float]:
    density = candidate.performance.tokens_per_s_per_gpu if candidate.performance else 0.0
    return list(Outcome).index(_outcome(candidate)), -density


def rest(results: Results) -> str:
    """Count the candidates that the table leaves out; empty when it shows all."""
    ids = {candidate.id for candidate in shown(results)}
    counts = Counter(_outcome(candidate) for candidate in results.candidates if candidate.id not in ids)
    listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    return f"… and {counts.total()} more ({listed}); results.json has all of them." if counts else ""
