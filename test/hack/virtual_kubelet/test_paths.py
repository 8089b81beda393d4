import pytest

from hack.virtual_kubelet.paths import PathMap

PATHS = PathMap({"/config": "/here/c", "/config/inner": "/here/i", "/tmp": "/tmp/x/t"})  # noqa: S108 - a container's


@pytest.mark.parametrize(
    ("word", "led"),
    [
        ("/config", "/here/c"),
        ("/config/input.json", "/here/c/input.json"),
        ("/config/inner/f", "/here/i/f"),
        ("--config=/config/input.json", "--config=/here/c/input.json"),
        ("--config=/configuration", "--config=/configuration"),
        ("/configuration", "/configuration"),
        ("config", "config"),
        ("see /config", "see /config"),
        ("a=b=/config", "a=b=/config"),
        ("/tmp/f", "/tmp/x/t/f"),  # noqa: S108
        ("", ""),
    ],
)
def test_path_leads_where_its_volume_is(word: str, led: str) -> None:
    assert PATHS.translate(word) == led
