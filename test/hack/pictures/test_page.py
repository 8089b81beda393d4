import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dgdr_api.results import Goal, Target
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.results import MissingAssetError, report, require_assets
from dgdr_controller.settings import Settings
from hack.cluster.fixtures import lacking
from hack.pictures.__main__ import FILE
from hack.pictures.page import drawn
from test.builders.results_page import judged

SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 150_000


def texts(svg: str) -> str:
    return " ".join("".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text"))  # noqa: S314 - made here


def is_whole(svg: str) -> bool:
    """Say whether a picture needs nothing besides itself."""
    return not re.search(
        r"https?://|url\(|<script|<foreignObject", svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    )


def test_picture_shows_the_page_down_to_its_chart(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        lacking("no Chromium is installed (Debian: chromium)")
    try:
        require_assets()
    except MissingAssetError as error:
        lacking(str(error))
    goal = Goal(
        isl=4000, osl=1000, ttft=Target(value=2000, explicit=False), itl=Target(value=30, explicit=False),
        objective=OptimizationType.HYBRID,
    )  # fmt: skip
    results = judged(goal)
    (tmp_path / "page.html").write_text(report(results, Settings()), encoding="utf-8")
    svg = drawn(tmp_path / "page.html", browser)
    choice = results.choice
    assert choice is not None
    shown = texts(svg)
    assert f"Recommended: {choice.backend} {choice.mode}, {choice.shape} on 8 GPUs" in shown
    assert "What if" in shown
    assert "2000, default" in shown  # what a field says that is empty
    assert "All candidates" not in shown
    points = re.findall(r'<use href="#\w+"', svg)
    assert len(points) >= len(results.candidates)
    assert is_whole(svg)


@pytest.mark.parametrize("name", ["results-page.svg", "describe.svg"])
def test_pictures_of_the_documents_are_small_and_whole(name: str) -> None:
    svg = (FILE.parent / name).read_text(encoding="utf-8")
    assert len(svg.encode()) < LARGEST
    assert is_whole(svg)
    assert "tp4" in texts(svg)
