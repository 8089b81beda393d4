"""What a controller counts, under controller-runtime's names."""

import time

from dgdr_controller.runtime import metrics


class ControllerMetrics:
    """Counts one controller; all its series exist from the start, so that alerts see zeros rather than gaps.

    Args:
        name: The controller's.
    """

    def __init__(self, name: str) -> None:
        self._results = {result: metrics.reconcile_total.labels(name, result) for result in metrics.RESULTS}
        self._errors = metrics.reconcile_errors.labels(name)
        self._terminal = metrics.terminal_errors.labels(name)
        self._panics = metrics.reconcile_panics.labels(name)
        self._timeouts = metrics.reconcile_timeouts.labels(name)
        self._seconds = metrics.reconcile_seconds.labels(name)
        self._running = 0
        metrics.active_workers.labels(name).set_function(lambda: self._running)  # counted when somebody looks
        self._most = metrics.max_concurrent.labels(name)

    def begin(self, workers: int) -> None:
        """Workers start."""
        self._most.set(workers)

    def started(self) -> float:
        """A reconcile starts; return when."""
        self._running += 1
        return time.perf_counter()

    def ended(self, begun: float) -> None:
        """A reconcile has ended, well or not."""
        self._running -= 1
        self._seconds.observe(time.perf_counter() - begun)

    def succeeded(self, result: str) -> None:
        """A reconcile ended well."""
        self._results[result].inc()

    def failed(self) -> None:
        """A reconcile raised."""
        self._results["error"].inc()
        self._errors.inc()

    def terminal(self) -> None:
        """A reconcile raised what is not to be repeated."""
        self.failed()
        self._terminal.inc()

    def panicked(self) -> None:
        """A reconcile tried to end the process."""
        self._panics.inc()

    def timed_out(self) -> None:
        """A reconcile was cancelled at its deadline."""
        self._timeouts.inc()
