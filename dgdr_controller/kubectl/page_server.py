"""One page, served to the browsers of this machine."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_HOSTS = ("127.0.0.1", "localhost")


class PageServer:
    """Serves a page on a free port of the loopback interface; use as a context manager.

    It answers for its own address alone: a foreign name that leads here (DNS rebinding) reads nothing.

    Args:
        page: The page.
    """

    def __init__(self, page: str) -> None:
        content, hosts = page.encode(), set[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("Host") not in hosts:
                    self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
                elif self.path != "/":
                    self.send_error(HTTPStatus.NOT_FOUND)
                else:
                    self.send_response(HTTPStatus.OK)
                    self.send_header("Content-Type", "text/html; charset=utf-8")
                    self.send_header("Content-Length", str(len(content)))
                    self.send_header("Cache-Control", "no-store")
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - of the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        hosts |= {f"{host}:{self._server.server_port}" for host in _HOSTS}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def serve(self) -> None:
        """Serve until the process is interrupted."""
        self._server.serve_forever()

    def stop(self) -> None:
        """End `serve`, from another thread."""
        self._server.shutdown()
