from pathlib import Path

import pytest

from hack.setup import pip

LISTED = """\
:env:.index-url='https://packages.test/simple'
:env:.disable-pip-version-check='1'
global.index-url='https://other.test/simple'
global.find-links='\\n/opt/a\\nfile:///opt/b'
install.trusted-host='packages.test'
freeze.timeout='3'
"""


def test_settings_nearest_to_the_user_win() -> None:
    assert pip.parsed(LISTED) == {
        "index-url": "https://packages.test/simple",
        "disable-pip-version-check": "1",
        "find-links": "/opt/a file:///opt/b",
        "trusted-host": "packages.test",
    }


@pytest.mark.parametrize("listed", ["", "\n", "WARNING: something\n"])
def test_settings_are_empty_where_there_are_none(listed: str) -> None:
    assert pip.parsed(listed) == {}


def test_settings_for_uv_leave_out_folders_that_are_not_there(tmp_path: Path) -> None:
    told = {"find-links": f"{tmp_path} {tmp_path}/none https://links.test file://{tmp_path}"}
    assert pip.for_uv(told, {}) == {"UV_FIND_LINKS": f"{tmp_path},https://links.test,file://{tmp_path}"}


def test_settings_for_uv_have_its_names_and_what_is_set_for_uv_holds() -> None:
    told = {"index-url": "https://packages.test/simple", "find-links": "/", "proxy": "http://p.test", "quiet": "1"}
    assert pip.for_uv(told, {"UV_FIND_LINKS": "/opt/b"}) == {
        "UV_DEFAULT_INDEX": "https://packages.test/simple",
        "HTTP_PROXY": "http://p.test",
        "HTTPS_PROXY": "http://p.test",
    }
    assert pip.for_uv({"no-index": "1"}, {}) == {"UV_NO_INDEX": "1"}
