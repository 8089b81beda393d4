"""From a site's own measurements to corrections of estimates. Pure.

Estimates of the same model, GPU, engine and mode are multiplied by the geometric mean of measured over estimated, drawn
to 1 as if the shipped table were two more measurements. Ranges stay as wide as they are: a few measurements say where a
site is, not how much its deployments differ.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dgdr_api.candidate import Mode
from dgdr_api.formatting import significant
from dgdr_api.measurements import Measurement, Measurements, Numbers, SiteCorrection
from dgdr_api.v1beta1 import Backend

SHIPPED = 2
"""Measurements that the shipped table counts as."""
_FARTHEST = 20
"""Times that a number may be off its estimate: beyond, something else was measured."""
_NAMED = 5
"""Measurements of which a warning says why they are not used."""

_NAMES = ("TTFT", "ITL", "tokens/s/GPU")
_Cell = tuple[Backend, Mode, int]
_Logs = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Estimated:
    """Which estimates are to be corrected.

    Attributes:
        model: The model, as the request names it.
        gpu_sku: The GPU.
        engine: The simulator.
        engine_version: Its version.
        table: Digest of the table that corrects its estimates.
        versions: Version of each engine that is estimated.
    """

    model: str
    gpu_sku: str
    engine: str
    engine_version: str
    table: str
    versions: Mapping[Backend, str]

    def concerns(self, found: Measurement) -> bool:
        """Say whether a measurement is of this model and GPU; others are of no interest here."""
        return (found.model.lower(), found.gpu_sku) == (self.model.lower(), self.gpu_sku)

    def why_not(self, found: Measurement) -> str:
        """Say why a measurement does not correct these estimates; empty: it does."""
        if (found.engine.lower(), found.engine_version) != (self.engine.lower(), self.engine_version):
            return _other(f"{found.engine} {found.engine_version}", f"{self.engine} {self.engine_version}")
        version = self.versions.get(found.backend)
        if version is not None and version != found.backend_version:
            return _other(f"{found.backend} {found.backend_version}", f"{found.backend} {version}")
        if found.table != self.table:
            return _other(f"table {found.table}", f"table {self.table}")
        return implausible(found)


def _other(theirs: str, ours: str) -> str:
    return f"compared with estimates by {theirs}, these are by {ours}"


def implausible(found: Measurement) -> str:
    """Say which number is too far off its estimate for a measurement of the same deployment; empty: none is."""
    for name, log in zip(_NAMES, _logs(found.corrected, found.measured), strict=True):
        if abs(log) > math.log(_FARTHEST):
            return f"{name} is {significant(math.exp(log))} times the estimate: something else was measured"
    return ""


def site_corrections(found: Measurements, estimated: Estimated) -> tuple[list[SiteCorrection], str]:
    """Return the corrections of each engine and mode that was measured, and which measurements are not used and why.

    Measurements of one candidate count once, by their geometric mean: a run that is repeated says nothing of others.

    Args:
        found: The measurements.
        estimated: The estimates that are to be corrected.
    """
    concerning = {key: entry for key, entry in found.entries.items() if estimated.concerns(entry)}
    reasons = {key: reason for key, entry in concerning.items() if (reason := estimated.why_not(entry))}
    cells: dict[_Cell, dict[str, list[_Logs]]] = defaultdict(lambda: defaultdict(list))
    for key, entry in concerning.items():
        if key not in reasons:
            cell = cells[entry.backend, entry.mode, entry.draft_tokens]
            cell[entry.candidate].append(_logs(entry.corrected, entry.measured))
    unused = [*found.unread, *(f"{key}: {reason}; run dgdr calibrate again" for key, reason in reasons.items())]
    corrections = [_correction(cell, list(candidates.values())) for cell, candidates in sorted(cells.items())]
    return corrections, _not_used(found.source, unused) if unused else ""


def _logs(corrected: Numbers, measured: Numbers) -> _Logs:
    """Return the logarithms of measured over estimated."""
    return (
        math.log(measured.ttft / corrected.ttft),
        math.log(measured.itl / corrected.itl),
        math.log(measured.tokens_per_s_per_gpu / corrected.tokens_per_s_per_gpu),
    )


def _correction(cell: _Cell, candidates: Sequence[Sequence[_Logs]]) -> SiteCorrection:
    backend, mode, draft_tokens = cell
    means = [[math.fsum(column) / len(runs) for column in zip(*runs, strict=True)] for runs in candidates]
    ttft, itl, throughput = _drawn(means)
    return SiteCorrection(
        backend=backend,
        mode=mode,
        draft_tokens=draft_tokens,
        measurements=len(candidates),
        ttft=ttft,
        itl=itl,
        tokens_per_s_per_gpu=throughput,
    )


def _drawn(means: Sequence[Sequence[float]]) -> Iterator[float]:
    """Yield the geometric mean of each number, drawn to 1."""
    return (math.exp(math.fsum(column) / (len(means) + SHIPPED)) for column in zip(*means, strict=True))


def _not_used(source: str, unused: Sequence[str]) -> str:
    more = f"; and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
    return f"Some measurements of {source} are not used: {'; '.join(unused[:_NAMED])}{more}"
