"""Where config/policy is not installed, the controller refuses what that would ask a right for."""

from typing import Any

import pytest

from dgdr_api.errors import FieldError
from dgdr_api.v1beta1 import Phase
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.settings import RightsSettings, Settings
from dgdr_controller.validation.rights import forbidden
from test.builders.observed_state import after, observed_of, request_of, said
from test.builders.rights_requests import DANGEROUS, PLAIN

FORBID = RightsSettings(mode="forbid")


def refused(
    spec: dict[str, Any], rights: RightsSettings = FORBID, annotations: dict[str, str] | None = None
) -> list[FieldError]:
    return list(forbidden(request_of(annotations=annotations, **spec), rights))


@pytest.mark.parametrize("what", PLAIN)
def test_request_that_the_policy_lets_everybody_write_passes(what: str) -> None:
    assert refused(PLAIN[what]) == []


@pytest.mark.parametrize("what", DANGEROUS)
def test_request_that_takes_the_right_to_create_jobs_is_refused(what: str) -> None:
    found = refused(DANGEROUS[what])
    assert found
    assert all(error.path.startswith("spec.overrides.profilingJob.") for error in found)
    assert refused(DANGEROUS[what], RightsSettings(mode="enforce")) == []


@pytest.mark.parametrize(
    ("spec", "annotations", "path"),
    [
        ({"overrides": {"dgd": {"spec": {}}}}, {}, "spec.overrides.dgd"),
        ({"overrides": {"trustRemoteCode": True}}, {}, "spec.overrides.trustRemoteCode"),
        ({"modelCache": {"pvcName": "a", "pvcMountPath": "/usr/lib"}}, {}, "spec.modelCache.pvcMountPath"),
        ({"modelCache": {"pvcName": "a", "mountPath": "/mnt/../usr"}}, {}, "spec.modelCache.mountPath"),
        (
            {"features": {"planner": {"metricPullingPrometheusTokenFile": "/var/run/x", "ttft": 5}}},
            {},
            "spec.features.planner.metricPullingPrometheusTokenFile",
        ),
        ({"image": "nvcr.io/nvidia-evil/planner:1.6.1"}, {}, "spec.image"),
        (
            {},
            {"nvidia.com/dgdr-spec": '{"profilingConfig": {"configMapRef": {"name": "base", "key": "k"}}}'},
            "spec.profilingConfig.configMapRef",
        ),
        (
            {},
            {"nvidia.com/dgdr-spec": '{"deploymentOverrides": {"workersImage": "evil/x:1"}}'},
            "spec.deploymentOverrides.workersImage",
        ),
    ],
)
def test_request_that_shapes_the_deployment_freely_is_refused(
    spec: dict[str, Any], annotations: dict[str, str], path: str
) -> None:
    assert [error.path for error in refused(spec, annotations=annotations)] == [path]
    assert refused(spec, RightsSettings(mode="open"), annotations) == []


def test_mirror_is_trusted_by_its_name() -> None:
    mirror = RightsSettings(images="nvcr.io/nvidia, registry.example:5000/mirror/,")
    assert refused({"image": "registry.example:5000/mirror/planner:1.6.1"}, mirror) == []
    assert refused({"image": "registry.example:5000/mirrored/planner:1.6.1"}, mirror)


def test_request_fails_and_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DGDR_RIGHTS__MODE", raising=False)
    request = request_of(overrides={"dgd": {"spec": {}}})
    observed = observed_of(request, settings=Settings())
    decision = pending(after(observed, pending(observed)))
    assert decision.status.phase is Phase.FAILED
    assert (
        "spec.overrides.dgd: Forbidden: can change anything in the deployment: is forbidden in this cluster"
        in said(decision, "Validation")[2]
    )
    monkeypatch.setenv("DGDR_RIGHTS__MODE", "enforce")
    asked = observed_of(request, settings=Settings())
    assert pending(after(asked, pending(asked))).status.phase is Phase.PROFILING


def test_mode_from_a_config_map_may_end_with_a_line_break() -> None:
    assert refused(next(iter(DANGEROUS.values())), RightsSettings.model_validate({"mode": "enforce\n"})) == []
