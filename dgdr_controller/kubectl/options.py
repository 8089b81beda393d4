"""What the commands share: which cluster they are about, names that can be completed, how long they wait."""

import asyncio
import functools
import re
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from dgdr_controller.kubectl.cluster import Cluster
from dgdr_controller.kubectl.completion import candidate_items, namespace_items, request_items

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DURATION = re.compile(r"(\d{1,6})([smh])")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LOGIN = ("kubeconfig", "context", "namespace")

Command = Callable[..., Any]


class ObjectName(click.ParamType[str]):
    """Name of an object.

    Args:
        complete: Finds the names that there are.
    """

    name = "name"

    def __init__(self, complete: Callable[[Cluster, str], Awaitable[list[CompletionItem]]] | None = None) -> None:
        self._complete = complete

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what cannot be a name: it would be another path in the API server's URLs."""
        if not _NAME.fullmatch(value):
            self.fail(f"{value!r} is no name: use lower-case letters, digits, - and .", param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        """Return the names that begin so."""
        complete = self._complete
        return completed(ctx, lambda cluster: complete(cluster, incomplete)) if complete else []


class CandidateId(click.ParamType[str]):
    """Id of a candidate of the request that the command line names."""

    name = "candidate"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        """Return the ids that begin so, with what each is."""
        request = ctx.params.get("name") or ""
        return completed(ctx, lambda cluster: candidate_items(cluster, request, incomplete)) if request else []


class Duration(click.ParamType[int]):
    """A duration, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``90s``, ``10m`` or ``2h``."""
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration: use 90s, 10m or 2h", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


def login_options(command: Command) -> Command:
    """Add the options that say which cluster a command is about."""
    for option in (
        click.option(
            "--kubeconfig", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
            help="Kubeconfig. [default: $KUBECONFIG, else ~/.kube/config]",
        ),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig. [default: the current one]"),
        click.option(
            "-n", "--namespace", type=ObjectName(namespace_items), metavar="NAME",
            help="Namespace. [default: that of the context]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def request_argument(command: Command) -> Command:
    """Add the argument that names a request."""
    return click.argument("name", type=ObjectName(request_items))(command)


def timeout_option(command: Command) -> Command:
    """Add the option that limits how long a command follows a request."""
    return click.option(
        "--timeout", "limit_s", type=Duration(), metavar="DURATION",
        help="How long to follow it at most, such as 90s or 10m; exit code 124 when it is over. [default: no limit]",
    )(command)  # fmt: skip


def on_cluster(function: Callable[..., Awaitable[int | None]]) -> Callable[..., None]:
    """Make a command of a coroutine function that takes the cluster first; what it returns is the exit code."""

    @login_options
    @click.pass_context
    @functools.wraps(function)
    def command(
        ctx: click.Context, /, *, kubeconfig: str | None, context: str | None, namespace: str | None, **arguments: Any
    ) -> None:
        login = _login(ctx, kubeconfig=kubeconfig, context=context, namespace=namespace)
        if code := asyncio.run(_called(login, lambda cluster: function(cluster, **arguments))):
            sys.exit(code)

    return command


def completed(ctx: click.Context, find: Callable[[Cluster], Awaitable[list[CompletionItem]]]) -> list[CompletionItem]:
    """Return what completes a word; nothing where the cluster cannot be asked: a completion does not complain."""
    try:
        return asyncio.run(_called(_login(ctx, **{name: ctx.params.get(name) for name in _LOGIN}), find))
    except (click.ClickException, ImportError, OSError):
        return []


def _login(ctx: click.Context, **here: str | None) -> dict[str, str | None]:
    """Return the options of the command, or where it has none those before its name."""
    before: dict[str, str | None] = ctx.obj or {}
    return {name: here[name] or before.get(name) for name in _LOGIN}


async def _called(login: dict[str, str | None], function: Callable[[Cluster], Awaitable[Any]]) -> Any:
    # Loaded here: without the client, help and completions work all the same.
    from dgdr_controller.kubectl.connection import Login, connected  # noqa: PLC0415

    async with connected(Login(**login)) as connection:
        return await function(Cluster(connection, login["namespace"] or connection.namespace))
