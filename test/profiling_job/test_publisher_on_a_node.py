import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dgdr_controller.manifest import dump_documents
from dgdr_controller.profiling_job.protocol import STATUS_FILE
from hack.cluster.api import Client
from hack.cluster.model import Cluster

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("after_s", [0.1, 0.4, 3.0])
def test_last_state_is_published(
    control_plane: Cluster, api: Client, namespace: str, tmp_path: Path, after_s: float
) -> None:
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dgdr-output-x", "namespace": namespace}})
    status = {"status": "failed", "phase": "Initializing", "message": "no", "error": "no such model", "exitCode": 65}
    (tmp_path / STATUS_FILE).write_text(dump_documents([status]))
    facts = {"DGDR_NAME": "x", "DGDR_NAMESPACE": namespace, "DGDR_JOB_UID": "uid", "DGDR_INPUTS": "hash"}
    publisher = subprocess.Popen(
        [sys.executable, "-m", "dgdr_controller", "publish", f"--output-dir={tmp_path}"],
        env=os.environ | facts | {"KUBECONFIG": str(control_plane.kubeconfig)},
        stderr=subprocess.PIPE,
        text=True,
    )
    # From the moment on at which Python runs our program; before, a container's first process ignores the signal.
    limit = time.monotonic() + 20
    while f"SigBlk:\t{1 << (signal.SIGTERM - 1):016x}" not in Path(f"/proc/{publisher.pid}/status").read_text():
        assert publisher.poll() is None
        if time.monotonic() > limit or after_s > 1:
            break
        time.sleep(0.002)
    time.sleep(after_s)
    publisher.send_signal(signal.SIGTERM)
    _, said = publisher.communicate(timeout=60)
    assert publisher.returncode == 0, said
    written = api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/dgdr-output-x")["data"]
    assert (written["profiler_status"], written["profiler_error"]) == ("failed", "no such model")
    assert (written["job_uid"], written["inputs"]) == ("uid", "hash")
