"""Time must not jump past a thread that a busy machine has not let run yet."""

import asyncio
import hashlib
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
