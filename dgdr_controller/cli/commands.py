"""The commands of ``dgdr``."""

import click

from dgdr_controller.cli.lazy_group import LazyGroup

_COMMANDS = ("calibrate", "manager", "measure", "plan", "profile", "publish", "results", "validate")
"""Each a function of this name in a module of this name."""


@click.group(
    cls=LazyGroup,
    locations={name: f"dgdr_controller.cli.{name}:{name}" for name in _COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="dgdr-controller")
def dgdr() -> None:
    """Plan deployments of language models with NVIDIA Dynamo.

    A DynamoGraphDeploymentRequest (DGDR) says what is wanted; a DynamoGraphDeployment (DGD) serves it.
    """
