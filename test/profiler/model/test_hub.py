"""Against a server that answers as the hub does: the endpoints that its library calls, over HTTP."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="the extra [profiler] is not installed")

CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": 8}
FILES = {
    "config.json": json.dumps(CONFIG).encode(),
    "model-00001-of-00002.safetensors": b"",
    "model-00002-of-00002.safetensors": b"",
    "original/consolidated.00.pth": b"",
}
NEEDED = "a token in HF_TOKEN (in a cluster: Secret hf-token-secret, key HF_TOKEN)"
MINE = "of mine"
SIZES = {"model-00001-of-00002.safetensors": 5_000_000_000, "model-00002-of-00002.safetensors": 3_000_000_000}


class Hub(ThreadingHTTPServer):
    """Answers as it is told to."""

    status: dict[str, list[int]]
    asked: list[str]
    tokens: set[str]


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.tokens.add(self.headers.get("Authorization", ""))
        _, _, rest = self.path.partition("/api/models/")
        model = rest.partition("?")[0] if rest else self.path[1:].partition("/resolve/")[0]
        if "/resolve/" not in self.path and not rest:  # what the library asks about itself
            self.answer(404, b"{}", {})
            return
        waiting = self.server.status.get(model, [])
        status = waiting.pop(0) if waiting else 200
        if status != 200:
            code = {404: "RepoNotFound", 403: "GatedRepo"}.get(status, "")
            self.answer(status, b"{}", {"X-Error-Code": code} if code else {})
        elif rest:
            siblings = [{"rfilename": name, "size": SIZES.get(name, len(c) or 1)} for name, c in FILES.items()]
            self.answer(200, json.dumps({"id": model, "sha": "a" * 40, "siblings": siblings}).encode(), {})
        else:
            content = FILES[self.path.rpartition("/")[2]]
            etag = hashlib.sha256(content).hexdigest()
            self.answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": "a" * 40})

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items() | {("Content-Length", str(len(content)))}:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub(("127.0.0.1", 0), Handler)
    server.status, server.asked, server.tokens = {}, [], set()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def download(hub: Hub | None, folder: Path, model: str = "acme/new", **environment: str) -> tuple[int, str]:
    program = (
        "import sys\nfrom pathlib import Path\nfrom dgdr_controller.profiler.errors import ProfilerError\n"
        "from dgdr_controller.profiler.model.hub import download\n"
        "try: print(download(sys.argv[1], Path(sys.argv[2])))\n"
        "except ProfilerError as error: print(error); sys.exit(error.exit_code)"
    )
    return asked(hub, folder, program, model, str(folder), **environment)


def asked(hub: Hub | None, folder: Path, program: str, *words: str, **environment: str) -> tuple[int, str]:
    """Ask the hub in a process of its own: its library reads its environment once."""
    endpoint = f"http://127.0.0.1:{hub.server_port}" if hub else "http://127.0.0.1:9"
    home = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "home"),
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=os.environ | home | environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


def test_configs_are_downloaded_and_weights_are_weighed(hub: Hub, tmp_path: Path) -> None:
    assert download(hub, tmp_path, HF_TOKEN=MINE) == (0, "8000000000")
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG
    assert not any("safetensors" in path for path in hub.asked)
    assert f"Bearer {MINE}" in hub.tokens


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (404, "Model 'acme/new' not found on HuggingFace and no modelCache specified"),
        (403, f"Model 'acme/new' is gated on HuggingFace: accept its terms there, and provide {NEEDED}"),
        (
            401,
            "HuggingFace does not show model 'acme/new' (401): it does not exist, or needs "  # noqa: ISC004
            f"{NEEDED} of somebody who may read it",
        ),
    ],
)
def test_refusal_of_the_hub_is_the_users_to_change(hub: Hub, tmp_path: Path, status: int, said: str) -> None:
    hub.status["acme/new"] = [status] * 9
    assert download(hub, tmp_path) == (65, said)


@pytest.mark.parametrize(("status", "said"), [(200, "None"), (404, "not found"), (403, "is gated"), (503, "None")])
def test_access_is_known_as_far_as_the_hub_tells(hub: Hub, tmp_path: Path, status: int, said: str) -> None:
    hub.status["acme/new/auth-check"] = [status] * 9
    program = "from dgdr_controller.profiler.model.hub import refusal; print(refusal('acme/new'))"
    code, answer = asked(hub, tmp_path, program)
    assert code == 0
    assert said in answer
    assert "/api/models/acme/new/auth-check" in hub.asked


def test_access_is_not_known_without_a_network(tmp_path: Path) -> None:
    program = "from dgdr_controller.profiler.model.hub import refusal; print(refusal('acme/new'), refusal('/models/a'))"
    assert asked(None, tmp_path, program) == (0, "None None")


def test_answer_that_may_pass_is_asked_for_again(hub: Hub, tmp_path: Path) -> None:
    hub.status["acme/new"] = [503, 503]
    assert download(hub, tmp_path)[0] == 0


def test_hub_that_is_out_of_reach_is_worth_another_run(tmp_path: Path) -> None:
    code, said = download(None, tmp_path)
    assert code == 75
    assert said.startswith("Model 'acme/new' is unknown to the simulator, and the Hugging Face hub cannot be")
    assert said.endswith("Try again later, or mount the model with spec.modelCache")


def test_offline_mode_is_respected(hub: Hub, tmp_path: Path) -> None:
    assert download(hub, tmp_path, HF_HUB_OFFLINE="1")[0] == 75
    assert hub.asked == []


@pytest.mark.parametrize("model", ["/models/llm", "a/b/c", "..", "my model", ""])
def test_name_that_can_be_no_repository_is_not_asked_for(hub: Hub, tmp_path: Path, model: str) -> None:
    assert download(hub, tmp_path, model)[0] == 65
    assert hub.asked == []
