import pytest

from hack.cluster.layout import CHECKOUT
from test.builders.image import Image

pytestmark = [pytest.mark.images, pytest.mark.aic]


def test_image_plans_locked_down_and_without_a_network(profiler: Image) -> None:
    sample = (CHECKOUT / "config/samples/qwen3-32b.yaml").read_text()
    code, printed = profiler.run("plan", "-f", "-", "-o", "/tmp/out", given=sample)  # noqa: S108 - in the image
    assert code == 0, printed
    assert "simulator: AIConfigurator" in printed
    for search in ("vllm", "sglang", "trtllm"):
        assert f"{search} disaggregated: " in printed
    assert "Qwen/Qwen3-32B on 8 × h200_sxm: " in printed


def test_image_holds_no_tests_of_others(profiler: Image) -> None:
    assert profiler.config["Labels"]["org.opencontainers.image.title"] == "dgdr-profiler"
    assert list(profiler.root.rglob("site-packages/**/tests")) == []
