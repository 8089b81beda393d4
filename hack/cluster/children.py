"""Programs that run for steps: waited for, followed line by line, and ended together when one step fails.

The standard library suffices, as this also serves before there is an environment.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import IO, TypeVar

T = TypeVar("T")

_CLOSE_S = 5.0
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class EndedError(BaseException):
    """A step is ended because another one has failed, whose error is told; no step handles it."""


class _Children:
    """Programs that run for steps, so that all of them can be ended when one step fails."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.ending = False

    def check(self) -> None:
        """Leave a step whose siblings have failed.

        Raises:
            EndedError: One of them has.
        """
        if self.ending:
            raise EndedError

    @contextlib.contextmanager
    def hold(self, process: "subprocess.Popen[str]") -> Iterator[None]:
        with self._lock:
            self._running.add(process)
            if self.ending:  # it was started before, and registered too late to be killed with the others
                _kill(process)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._running.discard(process)

    def end(self) -> None:
        self.ending = True
        with self._lock:
            for process in self._running:
                _kill(process)


_children = _Children()


def check() -> None:
    """Leave a step whose siblings have failed.

    Raises:
        EndedError: One of them has.
    """
    _children.check()


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill a program and, where it leads a session of its own, all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        leads = os.getsid(process.pid) == process.pid
        os.killpg(process.pid, signal.SIGKILL) if leads else process.kill()


def parallel(*parts: Callable[[], T]) -> list[T]:
    """Do several things at a time and return their results; when one fails, the programs of the others are ended.

    Raises:
        BaseException: Whatever the first part that failed has raised.
    """
    begin: Future[bool] = Future()

    def run(part: Callable[[], T]) -> T:
        if not begin.result():
            raise EndedError
        return part()

    try:
        with ThreadPoolExecutor(len(parts)) as pool:  # which waits for its threads
            try:
                futures = [pool.submit(run, part) for part in parts]
                # An interrupt may have come before: the pool may not know the thread that it was about to start.
                begin.set_result(True)
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
                return [future.result() for future in futures]
            except BaseException:
                _children.end()
                if not begin.done():
                    begin.set_result(False)
                raise
    finally:
        _children.ending = False


def start(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None, stderr: int = subprocess.PIPE
) -> "subprocess.Popen[str]":
    """Start a program that `finish` waits for; it leads a session of its own, so that all it starts can be ended.

    Args:
        command: Program and arguments.
        environment: All of its environment.
        cwd: Folder that it runs in; None: where this process is.
        stderr: ``subprocess.STDOUT`` to have errors among the output.
    """
    with _interrupts_after() as interrupts:
        process = subprocess.Popen(  # noqa: S603 - callers name their own programs
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        if interrupts:
            _kill(process)
            process.communicate()
    return process


@contextlib.contextmanager
def _interrupts_after() -> Iterator[list[int]]:
    """Handle interrupts of the main thread at the end: one inside ``Popen`` would leave a program that nobody knows.

    The list that is yielded has those that have come.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    handlers = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _INTERRUPTS}
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for interrupt in came:
            signal.raise_signal(interrupt)


def finish(process: "subprocess.Popen[str]", on_line: Callable[[str], None] | None = None) -> tuple[str, str]:
    """Wait for a program; return what it printed on both streams.

    Whatever ends the wait early ends the program and, where it leads a session of its own, all that it has started.

    Args:
        process: The program, with pipes for what it prints.
        on_line: Is told each line as it is printed.
    """
    printed: dict[object, list[str]] = {}

    def read(stream: IO[str]) -> None:
        lines = printed[stream] = []
        for text in stream:
            lines.append(text)
            if on_line:
                on_line(text)

    readers = {
        stream: threading.Thread(target=read, args=(stream,), daemon=True)
        for stream in (process.stdout, process.stderr)
        if stream
    }
    try:
        with _children.hold(process):
            for reader in readers.values():
                reader.start()
            process.wait()
            for reader in readers.values():
                reader.join()
        _children.check()
    except BaseException:
        _kill(process)
        process.wait()
        raise
    finally:
        _close(readers)
    return "".join(printed.get(process.stdout, ())), "".join(printed.get(process.stderr, ()))


def _close(readers: Mapping[IO[str], threading.Thread]) -> None:
    """Close the streams whose readers have come to the end; a program that was left behind may hold one open."""
    for stream, reader in readers.items():
        if reader.ident is not None:
            reader.join(_CLOSE_S)
        if not reader.is_alive():
            stream.close()
