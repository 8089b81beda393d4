"""An endpoint of OpenAI's API that answers wrongly: a real HTTP server on a free port of the loopback."""

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "tiny"
_TOKEN_S = 0.005


class Answer(Enum):
    """How requests are answered."""

    WHOLE = "whole"
    ERROR = "error"
    WITHOUT_USAGE = "without-usage"
    SHORT = "short"


@contextlib.contextmanager
def misbehaving_endpoint(*answers: tuple[int, Answer], prompt_tokens: int) -> Iterator[str]:
    """Serve until the block ends; yields the URL.

    Args:
        answers: How so many requests are answered, in the order in which they come; further ones as the last.
        prompt_tokens: What is counted of each prompt.
    """
    order = itertools.chain.from_iterable(itertools.repeat(answer, count) for count, answer in answers)
    lock, last = threading.Lock(), answers[-1][1]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # a connection for each request

        def do_GET(self) -> None:
            body = json.dumps({"data": [{"id": MODEL}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                answer = next(order, last)
            if answer is Answer.ERROR:
                self.send_error(500, "out of memory")
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for event in _events(answer, asked["max_completion_tokens"], prompt_tokens):
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
                time.sleep(_TOKEN_S)
            self.wfile.write(b"data: [DONE]\n\n")

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _events(answer: Answer, tokens: int, prompt_tokens: int) -> Sequence[dict[str, Any]]:
    written = tokens - 1 if answer is Answer.SHORT else tokens
    common = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    events = [common | {"choices": [{"index": 0, "delta": {"content": "a "}}]} for _ in range(written)]
    if answer is Answer.WITHOUT_USAGE:
        return events
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": written, "total_tokens": prompt_tokens + written}
    return [*events, common | {"choices": [], "usage": usage}]
