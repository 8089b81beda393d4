"""``dgdr calibrate``: what was measured beside what was estimated, kept for later plans."""

import hashlib
import json
import sys
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table

from dgdr_api.errors import InvalidRequestError
from dgdr_api.figures import interval
from dgdr_api.formatting import significant
from dgdr_api.measurements import MOST, Measurement, Measurements
from dgdr_api.names import MEASUREMENTS
from dgdr_api.results import Results
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.cli.files import (
    UnreadableError,
    read_bounded,
    read_measurements,
    read_results,
)
from dgdr_controller.manifest import Manifest, dump_documents
from dgdr_controller.profiler.calibration import Calibration, implausible
from dgdr_controller.profiler.measurement.aiperf import MAX_BYTES, read_export
from dgdr_controller.profiler.measurement.comparison import Comparison, Measured, compare
from dgdr_controller.profiling_job.exit_code import ExitCode

_WIDE = 120
"""Columns of what goes to a file or a pipe."""
_METADATA = ("name", "namespace", "labels")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--measured", required=True, metavar="FILE", type=_FILE, help="AIPerf's profile_export_aiperf.json.")
@click.option("--results", "plan", required=True, metavar="FILE", type=_FILE, help="results.json of the plan.")
@click.option("--candidate", metavar="ID", help="Candidate that was deployed. [default: the selected one]")
@click.option(
    "--gpus", type=click.IntRange(min=1),
    help="GPUs of the deployment that was measured. [default: those of the candidate]",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the measurement to, as a ConfigMap that corrects later plans.",
)  # fmt: skip
@click.option("--append", is_flag=True, help="Keep the measurements that the file has already.")
def calibrate(
    *, measured: Path, plan: Path, candidate: str | None, gpus: int | None, output: Path | None, append: bool
) -> None:
    """Compare what AIPerf measured of a deployment with its estimates, and keep it to correct later ones.

    The ConfigMap corrects the estimates of requests in the namespace that it is applied to, and of dgdr plan
    --measurements.
    """
    if append and output is None:
        raise click.UsageError("--append needs --output: the file to add to")
    console = Console(stderr=True)
    try:
        results = read_results(plan)
        compared = _compared(measured, results, plan, candidate, gpus)
        _print(compared)
        if output is None:
            _say(console, "Nothing was written; -o FILE keeps the measurement for later plans")
            return
        if reason := implausible(compared.measurement):
            _fail(f"{measured}: {reason}; nothing was written")
        kept = _keep(compared.measurement, results.request.namespace, output, append=append)
    except UnreadableError as error:
        _fail(str(error))
    for entry in kept.unread:
        _say(console, f"Warning: {output}: {entry}")
    count = len(kept.entries)
    _say(console, f"Wrote {output} with {count} measurement{'s' if count > 1 else ''}")
    _say(console, f"Apply with: kubectl apply --server-side -f {output}")


def _compared(measured: Path, results: Results, plan: Path, candidate: str | None, gpus: int | None) -> Comparison:
    """Compare an export with a plan.

    Raises:
        UnreadableError: One of them cannot be used; the message names the file and each field that is wrong.
    """
    content = read_bounded(measured, MAX_BYTES)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        run = read_export(content)
    except InvalidRequestError as error:
        raise UnreadableError("\n".join(f"{measured}: {found}" for found in error.errors)) from None
    try:
        return compare(results, candidate, Measured(run, sha256, gpus), Calibration.load().digest)
    except InvalidRequestError as error:
        raise UnreadableError("\n".join(f"{measured} beside {plan}: {found}" for found in error.errors)) from None


def _keep(measurement: Measurement, namespace: str | None, output: Path, *, append: bool) -> Measurements:
    """Write the ConfigMap with a measurement, and with those that the file has already; return what is read of it.

    Raises:
        UnreadableError: The file is there and is not to be added to, or cannot be written.
    """
    manifest = _empty(namespace)
    if output.exists():
        if not append:
            raise UnreadableError(f"{output}: exists; add --append to keep its measurements, or name another file")
        manifest = _applicable(read_measurements(output)[0])
    data = {
        **(manifest.get("data") or {}),
        measurement.key: json.dumps(measurement.model_dump(mode="json"), ensure_ascii=False),
    }
    if len(data) > MOST:
        raise UnreadableError(f"{output}: has {MOST} measurements, and no more are read; remove some")
    try:
        write_atomically(output.parent, {output.name: dump_documents([manifest | {"data": data}])})
    except OSError as error:
        raise UnreadableError(f"{output}: {error.strerror}") from None
    return Measurements.read(data, output.name)


def _empty(namespace: str | None) -> Manifest:
    metadata = {"name": MEASUREMENTS} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def _applicable(manifest: Manifest) -> Manifest:
    """Return a ConfigMap, that of a cluster too, as it can be applied: what the API server adds is left out."""
    kept = {name: value for name, value in manifest["metadata"].items() if name in _METADATA}
    return manifest | {"metadata": kept}


def _print(compared: Comparison) -> None:
    """Print the numbers side by side."""
    console, found = Console(width=None if sys.stdout.isatty() else _WIDE), compared.measurement
    _say(
        console,
        f"{found.model} on {found.gpus} × {found.gpu_sku}: {found.backend} {found.mode}, {found.shape} "
        f"({found.candidate}), {found.requests} requests, {significant(found.concurrency)} in flight",
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "estimated", "80 % range", "measured", "measured / estimated", ""):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for line in compared.lines:
        table.add_row(
            line.name,
            significant(line.estimated),
            interval(line.between),
            significant(line.measured),
            significant(line.measured / line.estimated),
            "within the range" if line.is_within else "outside of the range",
        )
    console.print(table)
    within = sum(line.is_within for line in compared.lines)
    _say(console, f"{within} of {len(compared.lines)} are within ranges that hold the truth in 80 % of cases.")
    if compared.other_model:
        _say(console, f"Warning: the benchmark asked for model {compared.other_model}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    for line in message.splitlines():
        click.echo(f"Error: {line}", err=True)
    sys.exit(ExitCode.REQUEST_WRONG)
