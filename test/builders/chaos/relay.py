"""Passes the lines of a watch on as a plan wants it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp

from test.builders.chaos.stream_faults import EXPIRED, StreamPlan


@dataclass(frozen=True, slots=True)
class _Line:
    """A line, and when on the loop's clock it may be passed on."""

    due: float
    content: bytes


@dataclass(frozen=True, slots=True)
class _Expires:
    """The stream ends with 410 at a time of the loop's clock."""

    at: float


_Queue = asyncio.Queue[_Line | _Expires | None]
"""None: the end."""


async def relay(content: aiohttp.StreamReader, write: Callable[[bytes], Awaitable[None]], plan: StreamPlan) -> None:
    """Pass lines on in their order until the API server, or the plan, ends the stream."""
    queue: _Queue = asyncio.Queue()
    reading = asyncio.create_task(_read(content, plan, queue))
    expires: float | None = None
    try:
        async with asyncio.timeout(None) as limit:
            while (item := await queue.get()) is not None:
                if isinstance(item, _Expires):
                    expires = item.at
                    limit.reschedule(expires)
                    continue
                await asyncio.sleep(max(0.0, item.due - asyncio.get_running_loop().time()))
                await write(item.content)
            if expires is not None:
                await asyncio.sleep(max(0.0, expires - asyncio.get_running_loop().time()))
    except TimeoutError:
        await write(EXPIRED)
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError):
            await reading


async def _read(content: aiohttp.StreamReader, plan: StreamPlan, queue: _Queue) -> None:
    loop = asyncio.get_running_loop()
    due = 0.0
    try:
        async for line in _lines(content):
            sent = plan.take(line)
            due = max(due, loop.time() + sent.delay_s)
            for passed_on in sent.lines:
                queue.put_nowait(_Line(due, passed_on))
            if sent.expires_in_s is not None:
                queue.put_nowait(_Expires(loop.time() + sent.expires_in_s))
            if sent.ends:
                return
    finally:
        queue.put_nowait(None)


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole lines, however long, each with its end."""
    left = b""
    async for chunk in content.iter_any():
        *whole, left = (left + chunk).split(b"\n")
        for line in whole:
            yield line + b"\n"
