"""Installed twice is installed once, and what was installed can be removed."""

import json
from typing import Any

import pytest

from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest

pytestmark = [pytest.mark.cluster, pytest.mark.alone("install")]  # one cluster, used in turn

Installer = Any  # test modules do not import each other
WHOLE = (
    ("namespace", "dgdr-system"),
    ("clusterrole", "dgdr-controller"),
    ("clusterrolebinding", "dgdr-controller"),
    ("crd", "dynamographdeploymentrequests.nvidia.com"),
)


def test_installed_twice_is_installed_once_and_all_of_it_can_be_removed(nothing_installed: Installer) -> None:
    """One test: each step is about the whole cluster. Plain, client-side apply: the whole CRD fits an annotation."""
    installer = nothing_installed
    assert installer.make("install").endswith(" created\n")
    assert installer.make("install").endswith(" unchanged\n")
    installer.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=20s")
    assert "created" in installer.kubectl("apply", "-k", "config/samples")
    assert "unchanged" in installer.kubectl("apply", "-k", "config/samples")
    (stored,) = json.loads(installer.kubectl("get", "dgdr", "-o", "json"))["items"]
    assert DynamoGraphDeploymentRequest.model_validate_json(json.dumps(stored)).spec.model == "Qwen/Qwen3-32B"
    installer.make("uninstall")
    assert not installer.exists("crd", "dynamographdeploymentrequests.nvidia.com")
    installer.make("deploy")
    for what in WHOLE:
        assert installer.exists(*what)
    installer.make("undeploy")
    for what in WHOLE:
        assert not installer.exists(*what)
    installer.make("undeploy")
