"""How many tokens a worker's KV cache holds, as the frontend's metrics say."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dgdr_controller.profiler.measurement.kv_capacity import kv_tokens

BLOCKS = 'dynamo_frontend_model_total_kv_blocks{model="m"} 16384\n'
SIZE = 'dynamo_frontend_model_kv_cache_block_size{model="m"} 64\n'


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    status, text = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/metrics"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("url", "tokens"),
    [
        ((200, BLOCKS + SIZE), 16384 * 64),
        ((200, BLOCKS), None),
        ((200, "<html>"), None),
        ((200, BLOCKS.replace("16384", "0") + SIZE), None),
        ((404, ""), None),
    ],
    indirect=["url"],
)
def test_cache_is_its_blocks_times_their_size(url: str, tokens: int | None) -> None:
    assert kv_tokens(url) == tokens


def test_endpoint_that_does_not_answer_says_nothing() -> None:
    assert kv_tokens("http://127.0.0.1:1") is None
