"""The commands of ``kubectl dgdr``."""

import click

from dgdr_controller.cli.lazy_group import LazyGroup
from dgdr_controller.kubectl.options import login_options

_HERE = "dgdr_controller.kubectl"
_COMMANDS = {
    "plan": "dgdr_controller.cli.plan:plan",
    "apply": f"{_HERE}.apply:apply",
    "status": f"{_HERE}.status:status",
    "candidates": f"{_HERE}.candidates:candidates",
    "explain": f"{_HERE}.explain:explain",
    "compare": f"{_HERE}.compare:compare",
    "export": f"{_HERE}.export:export",
    "deploy": f"{_HERE}.deploy:deploy",
    "open": f"{_HERE}.open_page:open_page",
    "verify": f"{_HERE}.verify:verify",
    "retry": f"{_HERE}.retry:retry",
    "logs": f"{_HERE}.logs:logs",
}


@click.group(cls=LazyGroup, locations=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dgdr-controller")
@login_options
@click.pass_context
def dgdr(context: click.Context, /, **login: str | None) -> None:
    """Apply, follow, compare and deploy DynamoGraphDeploymentRequests (DGDRs)."""
    context.obj = login
