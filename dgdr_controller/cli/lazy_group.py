"""A group of commands of which each is loaded when it is called: a process starts with what it needs and no more."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import click


class LazyGroup(click.Group):
    """A group that knows where its commands are.

    Args:
        locations: Module and function of each command, by the command's name: ``package.module:function``.
    """

    def __init__(self, *args: Any, locations: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._locations = dict(locations or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of the commands."""
        return list(self._locations)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Return a command, loaded; None where there is none of this name."""
        if cmd_name not in self._locations:
            return None
        module, _, function = self._locations[cmd_name].partition(":")
        return cast("click.Command", getattr(import_module(module), function))
