"""Which models an endpoint serves: what answers, and what does not."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from dgdr_controller.profiler.measurement.served_models import served_models
from test.builders.misbehaving_endpoint import MODEL, Answer, misbehaving_endpoint
from test.builders.simulated_endpoint import free_port


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """Answer every request with a status and a body."""
    status, body = request.param

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_models_are_listed() -> None:
    with misbehaving_endpoint((1, Answer.WHOLE), prompt_tokens=1) as url:
        assert served_models(url) == [MODEL]


@pytest.mark.parametrize("answering", [(404, b""), (401, b""), (200, b"ok"), (200, b"{}")], indirect=True)
def test_endpoint_that_does_not_list_models_says_nothing(answering: str) -> None:
    assert served_models(answering) is None


@pytest.mark.parametrize("answering", [(503, b"")], indirect=True)
def test_error_of_the_endpoint_is_one(answering: str) -> None:
    with pytest.raises(OSError, match="answers with HTTP 503"):
        served_models(answering)


def test_endpoint_that_is_down_cannot_be_reached() -> None:
    with pytest.raises(OSError, match=r"cannot be reached: .*refused"):
        served_models(f"http://127.0.0.1:{free_port()}")
