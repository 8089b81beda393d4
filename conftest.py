import pytest

pytest_plugins = ["hack.cluster.fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what mostly waits, for pods: one worker goes through it while the others compute."""
    items.sort(key=lambda item: not item.nodeid.startswith("e2e/"))


class _FailuresAtOnce:
    """Names a failed test when it fails: a long run that is ended early has named what it has seen."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._reporter.ensure_newline()
            self._reporter.write_line(f"{report.outcome.upper()} {report.nodeid} ({report.when})", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register after the reporter of results is."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        config.pluginmanager.register(_FailuresAtOnce(reporter))
