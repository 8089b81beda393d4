"""The commands of ``dgdr``, each loaded when it is called: a container starts with what it needs and no more."""

from importlib import import_module
from typing import cast

import click

_COMMANDS = ("calibrate", "manager", "measure", "plan", "profile", "publish", "validate")
"""Each a function of this name in a module of this name."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in _COMMANDS:
            return None
        return cast("click.Command", getattr(import_module(f"dgdr_controller.cli.{cmd_name}"), cmd_name))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dgdr-controller")
def dgdr() -> None:
    """Plan deployments of language models with NVIDIA Dynamo.

    A DynamoGraphDeploymentRequest (DGDR) says what is wanted; a DynamoGraphDeployment (DGD) serves it.
    """
