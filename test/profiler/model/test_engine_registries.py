"""The architectures that engines list in their own sources, in every release of Dynamo, beside ours."""

import pytest

from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render.releases import release_of, version_of
from dgdr_controller.profiler.model.architectures import architectures
from hack.engines.architectures import listed
from hack.engines.wheels import RELEASES

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("backend", [Backend.VLLM, Backend.SGLANG])
def test_architectures_of_a_release_are_those_that_its_engine_lists(backend: Backend, release: str) -> None:
    version = version_of(release)
    assert version is not None
    assert architectures(backend, release_of(version)) == listed(backend, release)
