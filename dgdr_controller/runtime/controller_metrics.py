"""What a controller counts, under controller-runtime's names."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

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
        self._active = metrics.active_workers.labels(name)
        self._most = metrics.max_concurrent.labels(name)

    def begin(self, workers: int) -> None:
        """Workers start."""
        self._most.set(workers)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure one reconcile."""
        self._active.inc()
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._seconds.observe(time.perf_counter() - begun)
            self._active.dec()

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
