"""Installed twice is installed once, and what was installed can be removed."""

import json
from typing import Any

import pytest

from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("uninstall")]  # one cluster, used in turn

Installer = Any  # test modules do not import each other
SYSTEM = "dgdr-system"


@pytest.fixture
def empty(installer: Installer) -> Installer:
    """A cluster with nothing installed."""
    installer.make("undeploy")
    return installer


def test_the_crd_is_applied_twice_like_once(empty: Installer) -> None:
    """With plain, client-side kubectl apply: the whole CRD fits an annotation."""
    assert empty.make("install").endswith(" created\n")
    assert empty.make("install").endswith(" unchanged\n")
    empty.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    assert "created" in empty.kubectl("apply", "-k", "config/samples")
    again = empty.kubectl("apply", "-k", "config/samples")
    assert "unchanged" in again
    (stored,) = empty.requests()
    assert DynamoGraphDeploymentRequest.model_validate_json(json.dumps(stored)).spec.model == "Qwen/Qwen3-32B"
    empty.make("uninstall")
    assert not empty.exists("crd", "dynamographdeploymentrequests.nvidia.com")


def test_undeploy_leaves_nothing(empty: Installer) -> None:
    empty.make("deploy")
    empty.make("undeploy")
    assert not empty.exists("namespace", SYSTEM)
    assert not empty.exists("clusterrole", "dgdr-controller")
    assert not empty.exists("clusterrolebinding", "dgdr-controller")
    assert not empty.exists("crd", "dynamographdeploymentrequests.nvidia.com")
    empty.make("undeploy")
