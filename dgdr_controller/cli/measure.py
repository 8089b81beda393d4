"""``dgdr measure``: what an endpoint does at a request's lengths, without any controller."""

import contextlib
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click
from pydantic import TypeAdapter
from rich.console import Console
from rich.status import Status
from rich.table import Table

from dgdr_api.defaults import Effective, effective
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.formatting import significant
from dgdr_api.missed_targets import missed_targets
from dgdr_api.trials import MeasuredPoint
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.atomic_files import is_mounted, write_where_possible
from dgdr_controller.cli.files import UnreadableError, read_request
from dgdr_controller.profiler.errors import InterruptedRunError, ProfilerError
from dgdr_controller.profiler.measurement.benchmark import BenchmarkProgress, Rejected
from dgdr_controller.profiler.measurement.benchmark import measure as measure_endpoint
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, load_of
from dgdr_controller.profiler.measurement.served_models import served_models
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.validation.request import validate

_CONCURRENCIES = (1, 8, 32)
"""Loads where neither the command line nor the request names one: an idle endpoint, a busy one, a full one."""
_DEADLINE_S = 3600.0
_MS = 1000
_WIDE = 120
"""Columns of a table that goes to a file or a pipe."""
_POINTS = TypeAdapter(list[MeasuredPoint])


class _Url(click.ParamType[str]):
    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            self.fail(f"{value}: expected http://host:port", param, ctx)
        return value.rstrip("/").removesuffix("/v1")


@click.command()
@click.option("-f", "--file", "source", required=True, metavar="FILE", help="File with the DGDR; - is standard input.")
@click.option("--name", help="Name of the request, if the file holds several.")
@click.option("--endpoint", "url", required=True, type=_Url(), metavar="URL", help="URL of the frontend.")
@click.option(
    "--concurrency", "concurrencies", multiple=True, type=click.IntRange(min=1), metavar="N",
    help="Requests in flight; may be repeated. [default: spec.workload.concurrency, else 1, 8 and 32]",
)  # fmt: skip
@click.option(
    "--requests", type=click.IntRange(min=1), metavar="N", help="Requests to measure at each load, at least.",
)  # fmt: skip
@click.option("--model", help="Name that the endpoint serves the model under. [default: the one that it lists]")
@click.option(
    "--tokenizer", metavar="FOLDER|ID",
    help="Folder or Hugging Face id of the model's tokenizer. [default: spec.model]",
)  # fmt: skip
@click.option(
    "--runs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs of which the median is taken.",
)  # fmt: skip
@click.option(
    "--deadline", type=click.FloatRange(min=1), default=_DEADLINE_S, show_default=True, metavar="SECONDS",
    help="Time limit for all runs.",
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="File to write the measurements to, as JSON.",
)  # fmt: skip
@click.option(
    "--output-dir", "folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="Folder to keep AIPerf's configuration, exports and logs in.",
)  # fmt: skip
def measure(  # noqa: PLR0913 - one for each option
    *,
    source: str,
    name: str | None,
    url: str,
    concurrencies: tuple[int, ...],
    requests: int | None,
    model: str | None,
    tokenizer: str | None,
    runs: int,
    deadline: float,
    output: Path | None,
    folder: Path | None,
) -> None:
    """Measure an endpoint with AIPerf at the lengths of a DGDR, and compare it with the DGDR's targets.

    Every load is measured with at least 20 requests, and at least 5 for each one in flight.
    """
    if output is not None and not output.parent.is_dir():  # said before an hour of measuring
        raise click.BadParameter(f"{output.parent} is not a folder", param_hint="--output")
    try:
        request = _valid(read_request(source, name))
        applied = effective(request)
        endpoint = Endpoint(
            url=url,
            model=_model(url, model, applied.model),
            tokenizer=tokenizer or applied.model,
            isl=applied.isl.value,
            osl=applied.osl.value,
        )
        loads = [
            load_of(concurrency, endpoint.osl, requests or 0) for concurrency in _concurrencies(concurrencies, applied)
        ]
        with _kept(folder) as kept, _shown(Console(stderr=True)) as show:
            found = measure_endpoint(
                endpoint,
                loads,
                trial=request.metadata.name,
                folder=kept,
                deadline_s=deadline,
                runs=runs,
                seed=time.time_ns(),
                on_progress=show,
            )
    except (UnreadableError, InvalidRequestError) as error:
        _fail(ExitCode.REQUEST_WRONG, str(error))
    except ProfilerError as error:
        _fail(error.exit_code, str(error))
    points = [point for point in found if isinstance(point, MeasuredPoint)]
    _print(endpoint, points, applied)
    if output is not None and (points or not is_mounted(output)):  # without points a termination message is the log
        write_where_possible(output, _POINTS.dump_json(points, indent=1).decode() + "\n")
    if rejected := [point for point in found if isinstance(point, Rejected)]:
        _fail(ExitCode.INTERRUPTED, "\n".join(f"{point.concurrency} in flight: {point.reason}" for point in rejected))


def _valid(request: DynamoGraphDeploymentRequest) -> DynamoGraphDeploymentRequest:
    if errors := validate(request):
        raise InvalidRequestError(errors)
    return request


def _model(url: str, wanted: str | None, model: str) -> str:
    """Return the name that is asked for: the one that is wanted, the request's model, or the only one that is served.

    Raises:
        InterruptedRunError: Nothing serves there, or nothing yet.
        InvalidRequestError: Another model is served, or there are several to choose from.
    """
    try:
        served = served_models(url)
    except OSError as error:
        raise InterruptedRunError(f"{url} {error}; see that the frontend runs and can be reached from here") from None
    if served is None:
        return wanted or model
    if not served:
        raise InterruptedRunError(f"{url} lists no model yet; wait until its workers are ready")
    if wanted is None and len(served) == 1:
        return served[0]
    if (name := wanted or model) in served:
        return name
    detail = f"{url} serves {', '.join(served)}: choose one with --model"
    raise InvalidRequestError([FieldError("--model", f'Not found: "{name}"', detail)])


def _concurrencies(written: Sequence[int], applied: Effective) -> list[int]:
    """Return the loads, rising, each once."""
    if not written and applied.concurrency is not None:
        return [math.ceil(applied.concurrency)]
    return sorted(set(written or _CONCURRENCIES))


@contextlib.contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    """Yield the folder for AIPerf's files: one that stays if it is named."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dgdr-measure-") as temporary:
        yield Path(temporary)


class _Display:
    """Shows how far a measurement is: live on a terminal, one line for each load elsewhere."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console, self._status = console, status
        self._printed = ""

    def __call__(self, progress: BenchmarkProgress) -> None:
        run = f"Run {progress.run}/{progress.runs}: " if progress.runs > 1 else ""
        load = progress.load
        if load is None:
            line = title = f"{run}starting AIPerf"
        else:
            title = f"{run}measuring {load.concurrency} in flight"
            line = f"{title}, {progress.completed} of {load.requests} requests"
        if self._console.is_terminal:
            self._status.update(line)
        elif title != self._printed:
            self._console.print(title, highlight=False, soft_wrap=True)
            self._printed = title


@contextlib.contextmanager
def _shown(console: Console) -> Iterator[_Display]:
    status = console.status("")
    with status if console.is_terminal else contextlib.nullcontext():
        yield _Display(console, status)


def _print(endpoint: Endpoint, points: Sequence[MeasuredPoint], applied: Effective) -> None:
    if not points:
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(
        f"{endpoint.model} at {endpoint.url}: {endpoint.isl} input and {endpoint.osl} output tokens",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("in flight", "TTFT ms", "ITL ms", "tokens/s", "tokens/s/user", "requests", "spread", "targets"):
        table.add_column(title, justify="left" if title == "targets" else "right", no_wrap=True)
    for point in points:
        table.add_row(
            str(point.concurrency),
            significant(point.ttft),
            significant(point.itl),
            significant(point.tokens_per_s),
            significant(_MS / point.itl) if point.itl else "",
            str(point.requests),
            f"{significant(100 * point.spread, 2)} %" if point.runs > 1 else "",
            _verdict(point, applied),
        )
    console.print(table)


def _verdict(point: MeasuredPoint, applied: Effective) -> str:
    """Say which targets are missed, and by what."""
    missed = [text for _, text in missed_targets(point.ttft, point.itl, applied)]
    return f"misses {', '.join(missed)}" if missed else "met"


def _fail(code: ExitCode, message: str) -> NoReturn:
    for line in message.splitlines():
        click.echo(f"Error: {line}", err=True)
    sys.exit(code)
