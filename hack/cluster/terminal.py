"""Steps as bars on a terminal: what is done, how far it is, how long it will take."""

import threading

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Task as Row
from rich.text import Text

from hack.cluster.progress import Task, duration


class _Numbers(ProgressColumn):
    """What is done of all, and the time that is left; without a total the time that has passed."""

    def render(self, task: Row) -> Text:
        step: Task = task.fields["step"]
        return Text(step.report().removeprefix(f"{step.what}: ") if step.total else duration(step.elapsed_s))


class Bars:
    """Draws running steps below what is printed meanwhile."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        self._lock = threading.RLock()
        self._progress: Progress | None = None
        self._rows: dict[Task, TaskID] = {}

    def begin(self, task: Task) -> None:
        """Draw one more step."""
        with self._lock:
            if self._progress is None:
                columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), _Numbers())
                console = Console(stderr=True)
                self._progress = Progress(*columns, console=console, transient=True, get_time=None)
                self._progress.start()
                threading.Thread(target=self._refresh, args=(self._progress,), daemon=True).start()
            self._rows[task] = self._progress.add_task(task.what, total=None, step=task)

    def _refresh(self, progress: Progress) -> None:
        """Take over how far the steps are, until there are no more."""
        pause = threading.Event()
        while self._progress is progress:
            with self._lock:
                for task, row in self._rows.items():
                    progress.update(row, total=task.total, completed=task.done)
            pause.wait(0.2)

    def end(self, task: Task) -> None:
        """Draw a step no longer; with the last one the bars go."""
        with self._lock:
            row = self._rows.pop(task)
            if self._progress is not None:
                self._progress.remove_task(row)
                if not self._rows:
                    self._progress.stop()
                    self._progress = None

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        with self._lock:
            console = self._progress.console if self._progress is not None else Console(stderr=True)
            console.print(text, markup=False, highlight=False, soft_wrap=True)


BARS = Bars()
