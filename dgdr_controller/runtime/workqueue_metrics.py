"""What a queue counts."""

import time

from dgdr_controller.runtime import metrics


class QueueMetrics:
    """Counts one queue under client-go's names.

    Args:
        name: Name of the queue: its controller's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._depths: dict[int, int] = {}
        self._begun: dict[object, float] = {}
        self._adds = metrics.queue_adds.labels(name, name)
        self._retries = metrics.queue_retries.labels(name, name)
        self._queued = metrics.queue_seconds.labels(name, name)
        self._worked = metrics.work_seconds.labels(name, name)
        # Computed when somebody looks, by the thread that serves metrics.
        metrics.unfinished_seconds.labels(name, name).set_function(lambda: sum(self._running()))
        metrics.longest_seconds.labels(name, name).set_function(lambda: max(self._running(), default=0.0))
        self.depth(0, 0)

    def depth(self, priority: int, change: int) -> None:
        """Keys of a priority that may be worked on became more or fewer."""
        if priority not in self._depths:
            self._depths[priority] = 0
            gauge = metrics.queue_depth.labels(self._name, self._name, str(priority))
            gauge.set_function(lambda: self._depths[priority])
        self._depths[priority] += change

    def added(self) -> None:
        """A key came in that did not wait already."""
        self._adds.inc()

    def retried(self) -> None:
        """A key came in with a delay."""
        self._retries.inc()

    def started(self, key: object, now: float, waited: float) -> None:
        """A key was handed out; loop time and seconds it waited since it was due."""
        self._begun[key] = now
        self._queued.observe(max(0.0, waited))

    def finished(self, key: object, seconds: float) -> None:
        """The work on a key has ended."""
        self._begun.pop(key, None)
        self._worked.observe(seconds)

    def _running(self) -> list[float]:
        now = time.monotonic()  # what the default event loop's time is
        return [now - begun for begun in tuple(self._begun.values())]
