"""What DCGM exporters say of a node's GPUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_controller.hardware.dcgm import Measured, read
from test.builders.expositions import A100_PCIE, GB200, H100, HEAD, L4, MIG, exposition, line


@pytest.mark.parametrize(
    ("text", "measured"),
    [
        (H100, Measured("NVIDIA H100 80GB HBM3", 81_559, "nvlink", is_partitioned=False)),
        (L4, Measured("NVIDIA L4", 23_034, None, is_partitioned=False)),
        (GB200, Measured("NVIDIA GB200", 189_471, "nvlink", is_partitioned=False)),
        (A100_PCIE, Measured("NVIDIA A100 80GB PCIe", 81_000, "pcie", is_partitioned=False)),
        (MIG, Measured("NVIDIA A100-SXM4-80GB", None, None, is_partitioned=True)),
        (
            H100 + MIG.replace('gpu="0"', 'gpu="9"'),
            Measured("NVIDIA H100 80GB HBM3", 81_559, "nvlink", is_partitioned=False),
        ),
    ],
)
def test_gpus_are_read_off_the_metrics(text: str, measured: Measured) -> None:
    assert read(text) == measured


def test_whole_gpus_beside_partitioned_ones_count() -> None:
    half = exposition("NVIDIA A100-SXM4-80GB", 1, free=80_000, used=900, reserved=1020)
    found = read(half + MIG.replace('gpu="0"', 'gpu="5"').replace('gpu="1"', 'gpu="6"'))
    assert found == Measured("NVIDIA A100-SXM4-80GB", 81_920, None, is_partitioned=False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its metrics name no GPU"),
        ("<html>login</html>", "its metrics name no GPU"),
        (HEAD + 'DCGM_FI_DEV_FB_FREE{gpu="0" 7\n', "its metrics cannot be parsed"),
        (HEAD + 'DCGM_FI_DEV_FB_FREE{gpu="0",modelName="X"} NaN\n', "its metrics name no GPU"),
        (L4 * 1200, "its metrics have more than 4096 samples of GPUs"),
    ],
)
def test_what_is_no_exposition_of_gpus_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(text)


@pytest.mark.parametrize("value", [-5, 0, 2_000_000, float("inf")])
def test_impossible_memory_is_not_known(value: float) -> None:
    text = line("DCGM_FI_DEV_FB_FREE", 0, "NVIDIA L4", value) + line("DCGM_FI_DEV_FB_USED", 0, "NVIDIA L4", 0)
    assert read(text).vram_mib is None


@given(st.text(alphabet='DCGM_FI_DEV_FB_FREE{}=",gpumodelName01 \\n\n#', max_size=300) | st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read("DCGM_FI_DEV_FB_FREE" + text)
    except ValueError:
        return
    assert len(found.product) <= 100
