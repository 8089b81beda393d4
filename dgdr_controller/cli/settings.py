"""The settings of the installation, or a message that names the variable that is wrong."""

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.settings import Settings


class InvalidSettingsError(click.ClickException):
    """The environment holds a setting that is not valid."""

    exit_code = ExitCode.REQUEST_WRONG


def load_settings() -> Settings:
    """Return the settings from the environment.

    Raises:
        InvalidSettingsError: A setting is not valid.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = (f"DGDR_{'__'.join(str(part).upper() for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise InvalidSettingsError("\nError: ".join(f"setting {problem}" for problem in problems)) from error
    except SettingsError as error:
        raise InvalidSettingsError(f"settings in the environment: {error}") from error
