from collections.abc import Callable

import pytest

from hack.cluster.fixtures import lacking
from hack.cluster.progress import UnavailableError
from hack.monitoring.programs import program


@pytest.fixture(scope="session")
def monitoring_program() -> Callable[[str], str]:
    """Prometheus' programs; without Debian's packages the test is skipped."""

    def path(name: str) -> str:
        try:
            return program(name)
        except UnavailableError as error:
            lacking(str(error))

    return path
