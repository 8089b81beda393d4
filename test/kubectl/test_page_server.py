import http.client
import threading
from collections.abc import Iterator

import pytest

from dgdr_controller.kubectl.page_server import PageServer


@pytest.fixture
def port() -> Iterator[int]:
    with PageServer("<title>ä</title>") as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield int(server.url.rpartition(":")[2].rstrip("/"))
        server.stop()
        thread.join()


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("127.0.0.1:{}", "/", 200),
        ("localhost:{}", "/", 200),
        ("elsewhere.example:{}", "/", 421),
        ("127.0.0.1:1", "/", 421),
        ("127.0.0.1:{}", "/../etc/passwd", 404),
    ],
)
def test_page_is_answered_at_its_own_address_alone(port: int, host: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers={"Host": host.format(port)})
    answer = connection.getresponse()
    assert answer.status == status
    body = answer.read().decode()
    connection.close()
    assert (body == "<title>ä</title>") == (status == 200)
