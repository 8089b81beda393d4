"""A real browser that looks at the page from a file, and results to show."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dgdr_api.candidate import Candidate, Mode, Outcome, Parallelism, Performance, Role, Source, Verdict, Worker
from dgdr_api.v1beta1 import Backend, OptimizationType
from dgdr_controller.profiler.verdicts import judge
from dgdr_controller.profiling.protocol import Goal, Provenance, Results, Target
from dgdr_controller.results import MissingAssetError, report, require_assets
from dgdr_controller.settings import Settings
from hack.cluster.fixtures import lacking
from test.reconciler.conftest import results_of

Open = Callable[[Results], Page]
Look = Callable[[Path], Page]
ENGINES = (Backend.VLLM, Backend.SGLANG, Backend.TRTLLM)


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


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Open a file; afterwards nothing may have gone wrong in it, and nothing been asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(10_000)
    complaints: list[str] = []

    def open_it(path: Path) -> Page:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked(request.url, path))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]")
        return page

    def asked(url: str, path: Path) -> None:
        if not url.startswith((path.as_uri(), "blob:", "data:")):
            complaints.append(f"asked for {url}")

    yield open_it
    context.close()
    assert complaints == []


@pytest.fixture
def show(look: Look, assets: None, tmp_path: Path) -> Open:  # noqa: ARG001 - skips
    """Write the page of some results and open it."""

    def write(results: Results) -> Page:
        path = tmp_path / "page.html"
        path.write_text(report(results, Settings()), encoding="utf-8")
        return look(path)

    return write


def candidate(backend: Backend, mode: Mode, step: int) -> Candidate:
    """Make one of a family: with every step more throughput, less speed, a later first token."""
    roles = (Role.AGGREGATED,) if mode is Mode.AGGREGATED else (Role.PREFILL, Role.DECODE)
    tp = 4 if mode is Mode.DISAGGREGATED else 8 >> (step % 3)
    workers = tuple(
        Worker(role=role, parallelism=Parallelism(tp=tp), count=1, batch=2**step, max_num_tokens=8192) for role in roles
    )
    rank = 1 + ENGINES.index(backend) / 10 - len(roles) / 20
    ttft, itl, density = 120.0 * 1.5**step, 4.0 * 1.4**step * rank, 120.0 * 1.35**step * rank
    gpus = sum(worker.gpus for worker in workers)
    made = Candidate(
        backend=backend, backend_version="1.0", mode=mode, workers=workers, replicas=1, context_length=10_000,
        performance=Performance(
            ttft=ttft, itl=itl, e2e=ttft + itl * 999, tokens_per_s=density * gpus, tokens_per_s_per_gpu=density,
            tokens_per_s_per_user=1000 / itl, concurrency=2.0**step, request_rate=density * gpus / 1000,
        ),
        source=Source.MIXED,
    )  # fmt: skip
    return made.scaled(8 // gpus)


def judged(goal: Goal, *more: Candidate) -> Results:
    """Judge a few dozen candidates of every engine and mode for eight GPUs, as the profiler does."""
    pool = [candidate(backend, mode, step) for backend in ENGINES for mode in Mode for step in range(7)]

    def hindrance(each: Candidate) -> Verdict | None:
        odd = each.workers[0].batch == 1 and each.backend is Backend.TRTLLM
        return Verdict(outcome=Outcome.NOT_RENDERABLE, reason="no flag says so") if odd else None

    judgement = judge([*pool, *more], goal, 8, hindrance)
    results = results_of(judgement.candidates)
    changes: dict[str, Any] = {
        "goal": goal,
        "selected": judgement.choice.id if judgement.choice else None,
        "pareto": tuple(each.id for each in judgement.pareto),
        "provenance": Provenance(
            engine="AIConfigurator", engine_version="0.12.0", perf_database={"vllm": "0.24.0"}, mode="rapid",
            notes=("TTFT is an optimistic estimate.",),
        ),
    }  # fmt: skip
    return results.model_copy(update=changes)


@pytest.fixture
def found() -> Results:
    """What a search for a request without targets may find."""
    return judged(
        Goal(
            isl=4000, osl=1000, ttft=Target(value=2000, explicit=False), itl=Target(value=30, explicit=False),
            objective=OptimizationType.HYBRID,
        )
    )  # fmt: skip
