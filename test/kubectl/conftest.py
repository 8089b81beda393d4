from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dgdr_api.results import Results
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Phase
from dgdr_controller.kubectl.commands import dgdr
from dgdr_controller.reconciler.generation import generate
from test.builders.observed_state import in_phase, observed_of, published_of, request_of
from test.builders.results import results_of

AWAY = """
apiVersion: v1
kind: Config
current-context: here
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {client-key-data: LS0tLS0=, token: t}}]
contexts:
  - {name: here, context: {cluster: c, user: u, namespace: of-here}}
  - {name: there, context: {cluster: c, user: u, namespace: of-there}}
"""
"""A kubeconfig whose API server is away."""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    path.write_text(AWAY)
    return path


@pytest.fixture
def run(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Call the plugin with a cluster that is away."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.chdir(tmp_path)
    return lambda *words, **options: CliRunner().invoke(dgdr, words, **options)


@pytest.fixture
def ready() -> Callable[..., DynamoGraphDeploymentRequest]:
    """Make a request that is Ready, as the controller writes it for some results."""

    def make(results: Results | None = None, **spec: Any) -> DynamoGraphDeploymentRequest:
        observed = observed_of(request_of(autoApply=False, **spec))
        published = published_of(observed, results or results_of())
        decision = generate(observed_of(observed.request, **published), published["output"])
        return in_phase(Phase.READY, observed, decision).request

    return make
