import json
import re
import stat

import pytest

from hack.cluster.layout import CHECKOUT
from hack.dynamo import model
from hack.locks import files
from test.builders.image import Image

pytestmark = [pytest.mark.images]

AIPERF = "/opt/aiperf/bin/aiperf"

SERVES_AND_MEASURES = '''
import http.server, json, pathlib, subprocess, sys, threading, time

class Endpoint(http.server.BaseHTTPRequestHandler):
    """An engine that serves two requests at a time: 20 ms to the first token, 5 ms to each of the others."""

    def log_message(self, *_): pass

    def do_GET(self):
        self.answer("application/json", [{"data": [{"id": "tiny"}]}], "")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer("text/event-stream", self.tokens(asked["min_tokens"]), "data: ")

    def answer(self, kind, parts, prefix):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        for part in parts:
            self.wfile.write(f"{prefix}{part if part == '[DONE]' else json.dumps(part)}\\n\\n".encode())

    def tokens(self, count):
        head = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "tiny"}
        due = time.monotonic() + 0.020
        for number in range(count):
            time.sleep(max(0, due - time.monotonic()))
            due += 0.005
            yield head | {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
        usage = {"prompt_tokens": 110, "completion_tokens": count, "total_tokens": 110 + count}
        yield head | {"choices": [], "usage": usage}
        yield "[DONE]"

files = json.load(sys.stdin)
for name, text in files.items():
    path = pathlib.Path("/tmp", name)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
command = ["/opt/dgdr/bin/dgdr", "measure", "-f", "/tmp/dgdr.yaml", "--endpoint", url, "--model", "tiny"]
command += ["--tokenizer", "/tmp/model", "--concurrency", "2", "-o", "/tmp/points.json", "--output-dir", "/tmp/out"]
done = subprocess.run(command, capture_output=True, text=True)
print(pathlib.Path("/tmp/points.json").read_text() if done.returncode == 0 else done.stdout + done.stderr)
sys.exit(done.returncode)
'''

REQUEST = """
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeploymentRequest
metadata: {name: tiny}
spec: {model: example/tiny, backend: vllm, workload: {isl: 100, osl: 20}}
"""


def test_image_has_the_profiler_and_the_aiperf_that_is_locked(measurer: Image) -> None:
    assert measurer.config["Labels"]["org.opencontainers.image.title"] == "dgdr-measurer"
    (version,) = (pin.version for pin in files.read(CHECKOUT / "requirements/aiperf.txt") if pin.name == "aiperf")
    assert measurer.run("--version", entrypoint=[AIPERF]) == (0, f"{version}\n")
    code, printed = measurer.run("--help")
    assert code == 0
    assert printed.startswith("Usage: dgdr ")
    code, printed = measurer.run("-c", "import aiconfigurator", entrypoint=["/opt/dgdr/bin/python"])
    assert code == 0, printed


def test_image_measures_locked_down(measurer: Image) -> None:
    given = {f"model/{name}": text for name, text in model.files().items()} | {"dgdr.yaml": REQUEST}
    code, printed = measurer.run(
        "-c", SERVES_AND_MEASURES, entrypoint=["/opt/dgdr/bin/python"], given=json.dumps(given)
    )
    assert code == 0, printed
    (point,) = json.loads(printed)
    assert point["concurrency"] == 2
    assert 4.5 < point["itl"] < 20
    assert 19 < point["ttft"] < 200


def test_image_has_no_installer_no_tests_and_nothing_for_other_commands_of_aiperf(measurer: Image) -> None:
    (packages,) = measurer.root.glob("opt/aiperf/lib/python3*/site-packages")
    assert {"aiperf", "transformers"} <= {path.name for path in packages.iterdir()}
    assert not {"pip", "pandas", "pyarrow", "plotly", "dash", "kopf", "pytest"} & {
        path.name for path in packages.iterdir()
    }
    assert list(packages.rglob("tests")) == []
    assert [path for path in packages.rglob("*") if re.search(r"\.(h|c|pyx|pxd)$", path.name)] == []
    size = sum(path.lstat().st_size for path in packages.rglob("*") if path.is_file())
    assert size < 350 * 2**20, f"{size / 2**20:.0f} MiB"


def test_environment_of_aiperf_may_be_changed_by_root_alone(measurer: Image) -> None:
    for path in (measurer.root / "opt/aiperf").rglob("*"):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0), path
        assert path.is_symlink() or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
