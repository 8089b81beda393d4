"""The results page on the real node: reached by a forwarded port, looked at in a real browser, and deployed from."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from e2e.journey import Journey, holds
from hack.cluster import binaries
from hack.cluster.api import Client
from hack.cluster.fixtures import lacking
from hack.cluster.model import Cluster
from hack.kubectl import kubectl

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]

KB = 1024
MOST_RSS_MB = 80


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, service: str) -> Iterator[str]:
    """Forward a free port of this machine to a Service, as the documents say; yield the URL."""
    command = [binaries.kubectl(), f"--kubeconfig={cluster.kubeconfig}", "-n", namespace, "port-forward"]
    with subprocess.Popen([*command, f"svc/{service}", ":80"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found, "kubectl forwards no port"
        yield f"http://localhost:{found[1]}"
        process.kill()


@contextlib.contextmanager
def looked_at(url: str) -> Iterator[Page]:
    """Open a page in a browser, which fails for whatever the page complains of."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        lacking("no Chromium is installed (Debian: chromium)")
    complaints: list[str] = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(url)
        yield page
    assert complaints == []


def answer(url: str, body: Any = None, **headers: str) -> tuple[int, str]:
    """Return status and message of an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named)) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def resident_mb(cluster: Cluster, namespace: str, deployment: str) -> float:
    status = kubectl(cluster, "-n", namespace, "exec", f"deploy/{deployment}", "--", "/opt/dgdr/bin/python3", "-c", RSS)
    return float(status) / KB


RSS = """
import pathlib, re
pages = [p.read_text() for p in pathlib.Path("/proc").glob("[0-9]*/status") if p.parent.name != "self"]
print(max(int(re.search(r"VmRSS:\\s+(\\d+)", t)[1]) for t in pages if "VmRSS" in t and "dgdr" in t.splitlines()[0]))
"""


def test_page_is_looked_at_and_deployed_from(
    installed: Cluster, api: Client, namespace: str, tmp_path: Path, record_property: Any
) -> None:
    with Journey(api, namespace, "looked") as journey:
        journey.apply(backend="vllm", autoApply=False)
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        pages = f"/apis/apps/v1/namespaces/{namespace}/deployments/looked-dgdr"

        def is_ready() -> bool:
            return bool((journey.get(pages) or {}).get("status", {}).get("readyReplicas"))

        assert holds(is_ready, 90), kubectl(installed, "-n", namespace, "describe", "pods")
        with forwarded(installed, namespace, "looked-dgdr") as url:
            refusals(url, journey)
            with looked_at(url) as page:
                page.wait_for_selector("body[data-ready]")
                page.screenshot(path=tmp_path / "ready.png", full_page=True)
                assert page.locator("#live .phase").inner_text() == "Ready"
                assert "Recommended" in page.locator("#headline h1").inner_text()
                rows = page.locator("#table tbody tr")
                rows.nth(1).locator("button.link").click()
                chosen = str(rows.nth(1).get_attribute("data-id"))
                page.locator("#deploy").click()
                assert "GPU" in page.locator("dialog h2").inner_text()
                page.screenshot(path=tmp_path / "confirm.png")
                page.locator("#confirm").click()
                page.wait_for_selector("#live .phase.deployed", timeout=180_000)
                page.screenshot(path=tmp_path / "deployed.png", full_page=True)
                assert page.locator("#deploy").count() == 0
                assert chosen in page.locator("#live").inner_text()
                graph = api.request("GET", journey.graph_path)
                assert graph["metadata"]["annotations"]["dgdr.nvidia.com/candidate"] == chosen
                record_property("rss_mb", rss := resident_mb(installed, namespace, "looked-dgdr"))
                assert rss <= MOST_RSS_MB
                api.request("DELETE", journey.path)
                page.wait_for_selector("#live .phase.deleted")
        assert holds(lambda: journey.get(pages) is None, 60), "the page goes with its request"
        api.request("DELETE", journey.graph_path)


def refusals(url: str, journey: Journey) -> None:
    """See that nobody but the page is answered, and that nothing of it reaches the request."""
    token = re.search(r'name="dgdr-token" content="([^"]+)"', answer(f"{url}/")[1])
    assert token
    wish = {"candidate": "recommended", "resourceVersion": "1"}
    code, text = answer(f"{url}/", Host="evil.example:80")
    assert (code, "is not this machine" in text) == (403, True)
    code, text = answer(f"{url}/deploy", wish, Origin="http://evil.example", X_DGDR_Token=token[1])
    assert (code, "another page" in text) == (403, True)
    code, text = answer(f"{url}/deploy", wish, X_DGDR_Token=token[1][::-1])
    assert (code, "reload the page" in text) == (403, True)
    code, text = answer(f"{url}/deploy", wish, X_DGDR_Token=token[1])
    assert (code, "has changed" in text) == (409, True)
    code, text = answer(f"{url}/../etc/passwd")
    assert code in (403, 404)
    metadata = (journey.get(journey.path) or {})["metadata"]
    assert "dgdr.nvidia.com/deploy" not in metadata["annotations"]
