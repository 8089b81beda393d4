"""A real browser that looks at the page from a file."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dgdr_api.results import Goal, Results, Target
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.results import MissingAssetError, report, require_assets
from dgdr_controller.settings import Settings
from hack.cluster.fixtures import lacking
from test.builders.results_page import Look, Open, judged

_NOTHING = "about:blank"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window. Of one module: its event loop would be in the way of others' in this thread."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        lacking("no Chromium is installed (Debian: chromium)")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def assets() -> None:
    """Skip where the plotting library was not fetched."""
    try:
        require_assets()
    except MissingAssetError as error:
        lacking(str(error))


@dataclass(slots=True)
class Tab:
    """A tab that one test after the other looks at its page with: its process and compiled scripts are made once.

    A page leaves nothing behind for the next but what is set back here: it stores nothing, and a new document begins
    with new objects. Whatever a page complains of is held against the test that it was opened in.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    shown: str = _NOTHING

    @classmethod
    def open(cls, browser: Browser) -> "Tab":
        """Open one that notes everything that goes wrong, and every address that is asked for."""
        context = browser.new_context()
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(10_000)
        tab = cls(context.new_page())
        tab.page.on("console", lambda message: tab.complaints.append(message.text))
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("request", lambda request: tab.asked(request.url))
        return tab

    def asked(self, url: str) -> None:
        if not url.startswith((self.shown, "blob:", "data:")):
            self.complaints.append(f"asked for {url}")

    def look(self, path: Path) -> Page:
        self.shown = path.as_uri()
        self.page.goto(self.shown)
        self.page.wait_for_selector("body[data-ready]")
        return self.page

    def leave(self) -> list[str]:
        """Leave the page; return what went wrong on it."""
        self.shown = _NOTHING
        self.page.goto(_NOTHING)
        found, self.complaints = self.complaints, []
        return found

    def set_back(self) -> None:
        """Be as a new one is: its size, its colours, the mouse in the corner."""
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.emulate_media(color_scheme="null")
        self.page.mouse.move(0, 0)


@pytest.fixture(scope="module")
def tabs(browser: Browser) -> Iterator[list[Tab]]:  # noqa: ARG001 - it is to end later
    """The tab that is open, if any."""
    opened: list[Tab] = []
    yield opened
    for tab in opened:
        tab.page.context.close()


@pytest.fixture
def look(browser: Browser, tabs: list[Tab]) -> Iterator[Look]:
    """Open a file; afterwards nothing may have gone wrong in it, and nothing been asked for."""
    if not tabs or tabs[0].page.is_closed():
        tabs[:] = [Tab.open(browser)]
    (tab,) = tabs
    tab.set_back()
    yield tab.look
    complaints = ["the page cannot be left"]
    try:
        complaints = tab.leave()
    finally:
        if complaints:  # whatever it is, the next test is to have none of it
            tab.page.context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def written() -> dict[str, str]:
    """The text of each page that was written, by what it shows: writing it renders every candidate's deployment."""
    return {}


@pytest.fixture
def show(look: Look, assets: None, written: dict[str, str], tmp_path: Path) -> Open:  # noqa: ARG001 - skips
    """Write the page of some results and open it."""

    def write(results: Results) -> Page:
        path, shown = tmp_path / "page.html", results.model_dump_json()
        written[shown] = written.get(shown) or report(results, Settings())
        path.write_text(written[shown], encoding="utf-8")
        return look(path)

    return write


@pytest.fixture
def found() -> Results:
    """What a search for a request without targets may find."""
    return judged(
        Goal(
            isl=4000, osl=1000, ttft=Target(value=2000, explicit=False), itl=Target(value=30, explicit=False),
            objective=OptimizationType.HYBRID,
        )
    )  # fmt: skip
