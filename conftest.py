import pytest

pytest_plugins = ["hack.cluster.fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what mostly waits, for pods: one worker goes through it while the others compute."""
    items.sort(key=lambda item: not item.nodeid.startswith("e2e/"))
