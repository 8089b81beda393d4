import platform
import sys

import pytest

from hack.prepare import environments


@pytest.mark.parametrize(
    ("system", "machine", "names"),
    [
        ("linux", "x86_64", {"aiperf", "dynamo"}),
        ("linux", "aarch64", {"dynamo"}),
        ("darwin", "arm64", set()),
    ],
)
def test_environments_for_tests_are_those_with_packages_for_the_machine(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str, names: set[str]
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert set(environments()) == names
