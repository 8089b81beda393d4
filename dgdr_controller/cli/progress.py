"""Progress of a search: live on a terminal, one line for each step elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from dgdr_controller.profiler.simulation.collect import Progress, Step
from dgdr_controller.profiler.simulation.messages import Search


class ProgressDisplay:
    """Shows each search with its state and seconds; use as a context manager and call it with each `Progress`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Bars(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[state]}", style="dim"),
            console=console,
            transient=False,
        )
        self._tasks: dict[Search | Step, TaskID] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        search = progress.search
        title = search.value if isinstance(search, Step) else search.title
        if not self._console.is_terminal:
            if progress.finished:
                self._console.print(
                    f"{title}: {progress.state} ({progress.seconds:.1f} s)", highlight=False, soft_wrap=True
                )
            return
        if search not in self._tasks:
            self._tasks[search] = self._bars.add_task(title, total=1, state=progress.state)
        self._bars.update(self._tasks[search], completed=int(progress.finished), state=progress.state)
