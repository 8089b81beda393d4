"""The commands of ``dgdr``."""

import click

from dgdr_controller.cli.manager import manager
from dgdr_controller.cli.plan import plan
from dgdr_controller.cli.profile import profile
from dgdr_controller.cli.publish import publish
from dgdr_controller.cli.validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dgdr-controller")
def dgdr() -> None:
    """Plan deployments of language models with NVIDIA Dynamo.

    A DynamoGraphDeploymentRequest (DGDR) says what is wanted; a DynamoGraphDeployment (DGD) serves it.
    """


dgdr.add_command(plan)
dgdr.add_command(profile)
dgdr.add_command(publish)
dgdr.add_command(manager)
dgdr.add_command(validate)
