"""The top of a results page, drawn by a browser that shows the page of a real search."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError

_SAMPLE = CHECKOUT / "config" / "samples" / "qwen3-32b.yaml"
_DRAW = Path(__file__).with_name("draw.js")
_WIDTH = 1100
_BELOW = 12
"""Room below the chart, where the picture ends."""


def picture() -> str:
    """Return the picture as SVG.

    Raises:
        ClusterError: There is no browser, or the search fails.
    """
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        raise ClusterError("no Chromium is installed (Debian: chromium)")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        command = (sys.executable, "-m", "dgdr_controller", "plan", "-f", str(_SAMPLE), "--report", str(page))
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
        if done.returncode:
            raise ClusterError(f"dgdr plan failed:\n{done.stderr.strip()[-2000:]}")
        return drawn(page, browser)


def drawn(path: Path, browser: str) -> str:
    """Return a page down to the end of its chart, as SVG."""
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = program.new_page(viewport={"width": _WIDTH, "height": 1600}, color_scheme="light")
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        chart = page.locator(".split").bounding_box()
        if chart is None:
            raise ClusterError("the results page shows no chart")
        svg = str(page.evaluate(_DRAW.read_text(encoding="utf-8"), round(chart["y"] + chart["height"]) + _BELOW))
        program.close()
    return svg
