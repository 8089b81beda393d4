"""Control planes for controllers that are treated badly, and figures of how they bear it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hack.cluster.local import Local
from test.builders.chaos.dynamo import Show, control_plane_with_dynamo


@pytest.fixture(scope="session")
def dynamo() -> Iterator[Local]:
    """A control plane that several tests use one after the other."""
    with control_plane_with_dynamo("test-chaos") as own:
        yield own


@pytest.fixture
def show(request: pytest.FixtureRequest) -> Show:
    """Print figures below the test's name."""

    def write(figures: Mapping[str, object]) -> None:
        plugins = request.config.pluginmanager
        reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
        if reporter is None or capture is None:
            return
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.section(request.node.name, "-")
            for name, value in figures.items():
                reporter.write_line(f"{name:<42} {value}")

    return write


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Folder for what controllers print."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder
