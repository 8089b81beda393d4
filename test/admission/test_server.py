"""Large reviews are answered in a thread, one at a time: the loop that serves them renews the leader's lease, too."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from dgdr_controller.admission import conversion, review
from dgdr_controller.admission.metrics import REQUESTS
from dgdr_controller.admission.server import CONVERT, DEFAULT, LARGE, VALIDATE, application
from dgdr_controller.settings import HardwareSettings

WEBHOOKS = {VALIDATE: "validate", DEFAULT: "default", CONVERT: "convert"}
HEADERS = {"Content-Type": "application/json"}
WAIT_S = 10.0
Answer = Callable[..., tuple[bytes, bool]]


def answering(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Let every webhook answer in this way."""
    monkeypatch.setattr(review, "answer", answer)
    monkeypatch.setattr(conversion, "answer", answer)


async def until(event: threading.Event) -> None:
    """Wait for what happens in another thread, turn by turn of the loop."""
    limit = time.monotonic() + WAIT_S
    while not event.is_set() and time.monotonic() < limit:  # noqa: ASYNC110 - no event of the loop is set there
        await asyncio.sleep(0.01)


def served(asking: Callable[[Any], Any]) -> Any:
    """Run a coroutine with a client of the webhooks, on their loop."""

    async def run() -> Any:
        async with TestClient(TestServer(application(HardwareSettings()))) as client:
            return await asking(client)

    return asyncio.run(run())


@pytest.mark.parametrize("path", WEBHOOKS)
def test_loop_lives_while_a_large_review_is_answered(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    begun, alive = threading.Event(), threading.Event()

    def answer(_: bytes, **__: object) -> tuple[bytes, bool]:
        begun.set()
        return json.dumps(alive.wait(WAIT_S)).encode(), True

    async def asking(client: Any) -> Any:
        asked = asyncio.create_task(client.post(path, data=b" " * (LARGE + 1), headers=HEADERS))
        await until(begun)
        alive.set()
        return await (await asked).read()

    answering(monkeypatch, answer)
    assert served(asking) == b"true"


def test_large_reviews_are_answered_one_at_a_time_and_small_ones_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, small = threading.Event(), threading.Event()
    inside, most, threads = [0], [0], set[int]()

    def answer(body: bytes, **_: object) -> tuple[bytes, bool]:
        if len(body) <= LARGE:
            threads.add(threading.get_ident())
            small.set()
            return b"{}", True
        begun.set()
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        assert small.wait(WAIT_S)
        inside[0] -= 1
        return b"{}", True

    async def asking(client: Any) -> list[int]:
        async def post(path: str, size: int) -> Any:
            return (await client.post(path, data=b" " * size, headers=HEADERS)).status

        large = [asyncio.create_task(post(path, LARGE + 1)) for path in (*WEBHOOKS, *WEBHOOKS)]
        await until(begun)
        return [await post(VALIDATE, LARGE), *await asyncio.gather(*large)]

    answering(monkeypatch, answer)
    assert served(asking) == [200] * 7
    assert most == [1]
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("size", [1, LARGE + 1])
@pytest.mark.parametrize("path", WEBHOOKS)
def test_unforeseen_error_is_answered_as_a_bad_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str, size: int
) -> None:
    def answer(_: bytes, **__: object) -> tuple[bytes, bool]:
        raise KeyError("a fault of ours")

    async def asking(client: Any) -> tuple[int, str]:
        response = await client.post(path, data=b" " * size, headers=HEADERS)
        return response.status, await response.text()

    def counted() -> Any:
        return REQUESTS.labels(WEBHOOKS[path], "400")._value.get()

    answering(monkeypatch, answer)
    before = counted()
    assert served(asking) == (400, "internal error of dgdr-controller: KeyError\n")
    assert counted() == before + 1
    assert any(record.exc_info for record in caplog.records)


def test_body_that_is_not_encoded_as_it_says_is_refused() -> None:
    async def asking(client: Any) -> tuple[int, str]:
        headers = {**HEADERS, "Content-Encoding": "deflate"}
        response = await client.post(VALIDATE, data=b"no deflate", headers=headers)
        return response.status, await response.text()

    status, said = served(asking)
    assert (status, said.partition(":")[0]) == (400, "the body cannot be read")
