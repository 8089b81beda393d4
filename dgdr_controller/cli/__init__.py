"""The command line, ``dgdr``.

Exit codes: 0 done, 65 the request is wrong, 69 no configuration can be deployed, 70 an error of ours,
75 interrupted; 2 is a wrong use of the command line itself.
"""

import sys

import click

from dgdr_controller.cli.plan import plan
from dgdr_controller.cli.validate import validate
from dgdr_controller.profiling.protocol import ExitCode


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dgdr-controller")
def dgdr() -> None:
    """Plan deployments of language models with NVIDIA Dynamo.

    A DynamoGraphDeploymentRequest (DGDR) says what is wanted; a DynamoGraphDeployment (DGD) serves it.
    """


dgdr.add_command(plan)
dgdr.add_command(validate)


def main() -> None:
    """Run the command line; Ctrl-C ends it with one line and the code for an interrupted run."""
    try:
        sys.exit(dgdr.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("dgdr: interrupted; nothing was written", err=True)
        sys.exit(ExitCode.INTERRUPTED)
