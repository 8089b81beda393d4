"""Time must not jump past a thread that a busy machine has not let run yet."""

import asyncio
import hashlib
import socket
import threading
import time

from dgdr_controller.runtime.testing.loop import virtual_time


@virtual_time
async def test_time_stands_still_while_another_thread_works() -> None:
    def work() -> str:
        ends = time.monotonic() + 0.2
        digest = b""
        while time.monotonic() < ends:
            digest = hashlib.sha256(digest + bytes(1_000_000)).digest()  # without the interpreter's lock
        return "done"

    assert await asyncio.wait_for(asyncio.to_thread(work), 60) == "done"


@virtual_time
async def test_time_jumps_while_another_thread_sleeps() -> None:
    sleeping = asyncio.get_running_loop().run_in_executor(None, time.sleep, 1)
    began = time.monotonic()
    await asyncio.sleep(3600)
    assert time.monotonic() - began < 0.9
    await sleeping


@virtual_time
async def test_time_stands_still_while_something_that_was_sent_has_not_arrived() -> None:
    """The kernel delivers late on a busy machine; here a peer without room for more stands for it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, writer = await asyncio.open_connection(*server.getsockname())
        peer, _ = server.accept()
        writer.write(bytes(30_000_000))
        began = time.monotonic()
        reads = threading.Timer(0.3, _read_all, [peer, 30_000_000])
        reads.start()
        await asyncio.sleep(3600)
        assert time.monotonic() - began > 0.3
        await asyncio.to_thread(reads.join)  # the loop may have more to send: this thread must not wait
        writer.close()


def _read_all(peer: socket.socket, size: int) -> None:
    with peer:
        while size > 0 and (read := peer.recv(1_000_000)):
            size -= len(read)
