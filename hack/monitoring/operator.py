"""The Prometheus Operator's CRDs, from its Go module."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.progress import ClusterError
from hack.setup.programs import go

_MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
_SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
_DEFINITIONS = "example/prometheus-operator-crd"


def definitions(kinds: Sequence[str]) -> list[Path]:
    """Return the manifests of the CRDs of these kinds (plural, lower case).

    Raises:
        UnavailableError: There is no Go.
        ClusterError: The module cannot be fetched, or is not the one that is pinned.
    """
    with tempfile.TemporaryDirectory() as folder:  # outside of every module of ours
        done = subprocess.run(  # noqa: S603 - go, with our arguments
            [str(go()), "mod", "download", "-json", _MODULE], cwd=folder, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise ClusterError(f"{_MODULE} cannot be fetched: {(done.stdout + done.stderr).strip()[-500:]}")
    found = json.loads(done.stdout)
    if found["Sum"] != _SUM:
        raise ClusterError(f"{_MODULE} has the checksum {found['Sum']} instead of {_SUM}")
    return [Path(found["Dir"]) / _DEFINITIONS / f"monitoring.coreos.com_{kind}.yaml" for kind in kinds]
