"""Verification on the real node: a Job measures the deployment through its own frontend."""

import re

import pytest

from e2e.journey import Journey
from e2e.measured_model import SURFACE, spec
from hack.cluster.api import MERGE_PATCH, Client
from hack.cluster.model import Cluster
from hack.kubectl import kubectl

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed", "measurer", "engines"),
]


@pytest.mark.usefixtures("engines")
def test_deployment_is_measured_and_held_against_its_estimate(
    api: Client, namespace: str, claim: str, installed: Cluster
) -> None:
    asked = spec(claim) | {"sla": {"optimizationType": "latency"}}  # one request in flight
    with Journey(api, namespace, "verified") as journey:
        journey.apply(annotations={"dgdr.nvidia.com/verify": "10s"}, **asked)
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert journey.wait(lambda: journey.condition("PerformanceVerified").get("reason") == "VerificationRunning")
        open_ = ("Unknown", None)
        assert journey.wait(lambda: journey.condition("PerformanceVerified").get("status") not in open_, 240)
        found = journey.condition("PerformanceVerified")
        # Two H200 are estimated at a fraction of what these engines take for a token.
        assert (found["status"], found["reason"]) == ("False", "WorseThanPlanned"), found["message"]
        found_itl = re.search(r"ITL ([\d.]+)ms \(planned ([\d.]+)ms, \+(\d+) %\)", found["message"])
        assert found_itl, found["message"]
        measured, planned, percent = map(float, found_itl.groups())
        engines = (SURFACE[gpus]["decode_ms"] for gpus in (1, 2))
        assert any(0.9 * itl < measured < 1.5 * itl for itl in engines), "it is what the engines do"
        assert abs(percent - 100 * (measured / planned - 1)) < 5
        assert journey.status()["phase"] == "Deployed"
        assert "WorseThanPlanned" in journey.events()
        assert found["message"] in kubectl(installed, "-n", namespace, "get", "dgdr", "verified", "-o", "wide")
        assert journey.status()["phase"] == "Deployed"
        # It is measured once, whatever becomes of the Job; and again for whoever asks again.
        api.request(
            "DELETE", f"/apis/batch/v1/namespaces/{namespace}/jobs/verify-verified?propagationPolicy=Background"
        )
        assert not journey.wait(lambda: journey.condition("PerformanceVerified") != found, 10)
        again = {"metadata": {"annotations": {"dgdr.nvidia.com/verified": None}}}
        api.request("PATCH", journey.path, again, MERGE_PATCH)
        assert journey.wait(lambda: journey.condition("PerformanceVerified").get("reason") == "VerificationRunning")
        api.request("DELETE", journey.path)
