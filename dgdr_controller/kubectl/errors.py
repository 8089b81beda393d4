"""What goes wrong between the plugin and the API server, in sentences that name the cause and the way out. Pure."""

from http import HTTPStatus
from typing import Any

import click

from dgdr_controller.runtime import Resource

_NO_LOGIN = "The cluster does not accept your login: log in again; where kubectl renews it, run kubectl get dgdr once"


class PluginError(click.ClickException):
    """A command cannot go on; the message names the cause and the way out."""

    exit_code = 1


class TimeIsOverError(PluginError):
    """What a command waits for has not come in time."""

    exit_code = 124
    """As coreutils' timeout ends."""


class UnreachableError(PluginError):
    """The API server does not answer."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(
            f"The API server{f' at {server}' if server else ''} does not answer ({why}): check that the cluster runs, "
            "and that --context names it"
        )


class StatusError(PluginError):
    """The API server answers with an error.

    Attributes:
        code: HTTP's code.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(StatusError):
    """There is no such object."""


class ConflictError(StatusError):
    """The object has changed since it was read."""


def status_error(code: int, message: str, resource: Resource[Any], name: str, namespace: str) -> StatusError:
    """Return what the API server answers as an error to raise.

    Args:
        code: HTTP's code.
        message: The message of its Status.
        resource: The kind that was asked for.
        name: Name of the object; empty: all of them.
        namespace: Namespace of the object.
    """
    if code == HTTPStatus.NOT_FOUND and name and f'"{name}" not found' in message:
        return NotFoundError(
            code,
            f"{resource.kind} {name} does not exist in namespace {namespace}: -n chooses another one, and "
            f"kubectl get {resource.plural} -A lists those of all namespaces",
        )
    if code == HTTPStatus.CONFLICT:
        return ConflictError(
            code, f"{resource.kind} {name} has changed since it was read: look at it again, and repeat the command"
        )
    return StatusError(code, _sentence(code, message, resource))


def _sentence(code: int, message: str, resource: Resource[Any]) -> str:
    match code:
        case HTTPStatus.UNAUTHORIZED:
            return _NO_LOGIN
        case HTTPStatus.FORBIDDEN if " cannot " in message:  # by RBAC; admission writes sentences of its own
            return f"{message}: ask the cluster's administrator for that right, or choose another --context"
        case HTTPStatus.NOT_FOUND:
            return f"The cluster does not serve {resource}: install dgdr-controller, or choose another --context"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return f"The API server is overloaded ({message}): try again"
        case _ if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"The API server answers with error {code} ({message}): try again"
        case _:
            return f"The API server rejects it: {message}"
