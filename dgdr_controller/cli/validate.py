"""``dgdr validate``: what ``kubectl apply`` would refuse, before it is asked."""

import sys

import click

from dgdr_api import InvalidRequestError, parse_request
from dgdr_controller.cli.files import UnreadableError, manifest_name, read_manifests
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.validation import request as rules


@click.command()
@click.option("-f", "--file", "source", required=True, metavar="FILE", help="File with DGDRs; - is standard input.")
def validate(source: str) -> None:
    """Check DGDRs against the schema and every rule; exit 65 and name each field that is wrong."""
    try:
        manifests = read_manifests(source)
    except UnreadableError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(ExitCode.REQUEST_WRONG)
    refused = [not _check(manifest, f"{source}: {manifest_name(manifest) or 'request'}") for manifest in manifests]
    if any(refused):
        sys.exit(ExitCode.REQUEST_WRONG)


def _check(manifest: object, shown: str) -> bool:
    """Report on one manifest; return whether it is valid."""
    try:
        request = parse_request(manifest)
    except InvalidRequestError as malformed:
        errors = malformed.errors
    else:
        errors = rules.validate(request)
        for sentence in rules.warnings(request):
            click.echo(f"{shown}: warning: {sentence}", err=True)
    for error in errors:
        click.echo(f"{shown}: {error}", err=True)
    if not errors:
        click.echo(f"{shown}: valid")
    return not errors
