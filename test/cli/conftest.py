import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from test.builders.command_line import Run, run, serve_simulator

Dgdr = Callable[..., Run]


@pytest.fixture
def dgdr(request: pytest.FixtureRequest, tmp_path: Path) -> Dgdr:
    """Run the real command line in a folder of its own and this process."""
    serve_simulator(request)

    def call(*args: str, stdin: str | None = None, **environment: str) -> Run:
        return run(*args, folder=tmp_path, stdin=stdin, **environment)

    return call


@pytest.fixture
def dgdr_process(tmp_path: Path) -> Dgdr:
    """Run the real command line in a folder and a process of its own."""

    def call(*args: str, stdin: str | None = None, **environment: str) -> Run:
        return subprocess.run(
            [sys.executable, "-m", "dgdr_controller", *args],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | environment,
        )

    return call


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a request with these fields of its spec; return the file's name."""

    def make(name: str = "small", *, file: str = "dgdr.yaml", **spec: Any) -> str:
        fields = {
            "model": "meta-llama/Meta-Llama-3.1-8B",
            "backend": "vllm",
            "hardware": {"gpuSku": "a100_sxm", "totalGpus": 1},  # of all, what the simulator loads fastest
        } | spec
        manifest = {
            "apiVersion": "nvidia.com/v1beta1",
            "kind": "DynamoGraphDeploymentRequest",
            "metadata": {"name": name},
            "spec": {key: value for key, value in fields.items() if value is not None},
        }
        (tmp_path / file).write_text(yaml.safe_dump(manifest))
        return file

    return make
