"""Following a request until something has become of it: a bar on a terminal, a line for each change elsewhere.

The request is read once a second. That takes no more than the right to get it, and survives an API server that
restarts.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dgdr_api.conditions import Succeeded
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.describe import condition_of, message_of, phase_of
from dgdr_controller.kubectl.errors import NotFoundError, PluginError, StatusError, TimeIsOverError, UnreachableError

_PAUSE_S = 1.0
_AWAY_S = 60.0
"""How long the API server may be away."""
_SERVER_ERROR = 500

Ended = Callable[[DynamoGraphDeploymentRequest], int | None]
"""Says whether a request is what is waited for: an exit code, or None while it is not."""


def ended(request: DynamoGraphDeploymentRequest) -> int | None:
    """Return 0 for a request that is Ready or Deployed to stay, 1 for one that has failed, None where it goes on."""
    status, generation = request.status, (request.metadata.model_extra or {}).get("generation")
    if status is None or status.phase is None or (status.observed_generation or 0) < (generation or 0):
        return None
    if status.phase is Phase.FAILED:
        return 1
    found = condition_of(request, Succeeded.TYPE)
    return 0 if found is not None and found.status == "True" else None


async def follow(
    cluster: Cluster, name: str, until: Ended = ended, limit_s: float | None = None
) -> tuple[int, DynamoGraphDeploymentRequest]:
    """Show how a request goes until something has become of it.

    Args:
        cluster: Where it is.
        name: Its name.
        until: What is waited for.
        limit_s: Longest time in seconds; None: without limit.

    Returns:
        The exit code, and the request as it is then.

    Raises:
        TimeIsOverError: It takes longer.
        PluginError: It is deleted, or the API server stays away.
    """
    goes_on = f"request {name} goes on; kubectl dgdr status {name} -w follows it"
    try:
        async with asyncio.timeout(limit_s):
            with FollowDisplay(Console(stderr=True)) as display:
                return await _until(cluster, name, until, display)
    except TimeoutError:
        raise TimeIsOverError(f"Not done after {limit_s:g} s; {goes_on}") from None
    except asyncio.CancelledError:
        click.echo(f"Stopped following; {goes_on}", err=True)
        raise


async def _until(
    cluster: Cluster, name: str, until: Ended, display: "FollowDisplay"
) -> tuple[int, DynamoGraphDeploymentRequest]:
    clock, seen = asyncio.get_running_loop(), asyncio.get_running_loop().time()
    while True:
        try:
            request = await cluster.get(REQUESTS, name)
        except NotFoundError as error:
            raise PluginError(f"Request {name} was deleted") from error
        except (UnreachableError, StatusError) as error:
            passing = isinstance(error, UnreachableError) or error.code >= _SERVER_ERROR
            if not passing or clock.time() - seen > _AWAY_S:
                raise
            display.show("waiting", error.message, None)
        else:
            seen = clock.time()
            display.show(phase_of(request), message_of(request), _progress(request))
            if (code := until(request)) is not None:
                return code, request
        await asyncio.sleep(_PAUSE_S)


def _progress(request: DynamoGraphDeploymentRequest) -> tuple[int, int] | None:
    """Return how many of how many steps profiling has done; None where that is not known."""
    found = request.status.profiling_progress if request.status else None
    return (found.completed or 0, found.total) if found is not None and found.total else None


class FollowDisplay:
    """Shows where a request stands; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: tuple[str, str] | None = None
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[message]}", style="dim"),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, message="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def show(self, phase: str, message: str, progress: tuple[int, int] | None) -> None:
        """Show a phase, a sentence, and steps that are done of all."""
        if not self._console.is_terminal:
            if self._shown != (phase, message):
                self._shown = phase, message
                click.echo(f"{phase}: {message}", err=True)
            return
        completed, total = progress or (0, None)
        self._bar.update(self._task, description=phase, completed=completed, total=total, message=message)
