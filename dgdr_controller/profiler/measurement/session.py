"""What a search that measures knows, and what it has taken: published at every step, so that another pod goes on."""

import time
from collections.abc import Callable, Mapping

from dgdr_api.candidate import Candidate
from dgdr_api.trials import FailedTrial, TrialLog, TrialState, TrialStatus
from dgdr_controller.profiler.measurement.trials import Budget, Cluster

LEAST_S = 600.0
"""How long anything is waited for at least that takes minutes on a good day."""
_POLL_S = 0.5
_WITHOUT_GPUS_S = 1800.0
"""How long a trial may wait for GPUs, where there is much time left; else a quarter of it, and ten minutes at least."""
_LONGEST_REASON = 2000


class Session:
    """The log of a search, its trials and its budget.

    Args:
        cluster: Deploys and measures.
        budget: What it may take.
        log: What is known.

    Attributes:
        cluster: The same.
        log: What is known by now.
        waits_for: What the trial that was awaited last has waited for.
        broken: Why nothing can be measured any more; empty: it can.
    """

    def __init__(self, cluster: Cluster, budget: Budget, log: TrialLog) -> None:
        self.cluster, self._budget, self.log = cluster, budget, log
        self.waits_for = self.broken = ""
        self._counted_at = time.monotonic()

    @property
    def failed(self) -> Mapping[str, str]:
        """Why trials have failed, by their ids."""
        return {failed.trial: failed.reason for failed in self.log.failed}

    @property
    def left_s(self) -> float:
        """For how many seconds it may go on."""
        return self._budget.left_s(self.log, self.cluster.trials.ends())

    def exhausted(self) -> str:
        """Say why nothing more is measured; empty while it is."""
        return self.broken or self._budget.exhausted(self.log, self.cluster.trials.ends())

    def update(self, **changes: object) -> None:
        """Change the log, and publish it."""
        self.log = self.log.model_copy(update=changes)
        self.publish()

    def publish(self) -> None:
        """Publish the log: time and GPU hours change by themselves."""
        self.cluster.trials.update(self.log)

    def fail(self, trial: Candidate, reason: str, *, without_gpus: bool = False) -> None:
        """Note that a trial cannot be measured."""
        failed = FailedTrial(trial=trial.id, reason=reason[:_LONGEST_REASON], without_gpus=without_gpus)
        self.update(failed=(*self.log.failed, failed))

    def count(self) -> None:
        """Count time, and the GPU hours of what is deployed, up to now."""
        now = time.monotonic()
        passed, self._counted_at = now - self._counted_at, now
        statuses = ((trial, self.cluster.trials.status(trial.id)) for trial in self.log.wanted)
        gpus = sum(trial.gpus for trial, status in statuses if status.state is not TrialState.WAITING)
        taken = {"gpu_hours": self.log.gpu_hours + gpus * passed / 3600, "seconds": self.log.seconds + passed}
        self.log = self.log.model_copy(update=taken)

    def wait_for(self, trial: Candidate, on_change: Callable[[str], None]) -> TrialStatus | None:
        """Wait until a trial is ready or has failed; None when the budget is used up.

        One that waits for GPUs for long is given up: others may need fewer.

        Args:
            trial: The trial.
            on_change: Is called with what it waits for.
        """
        shown, waits_since = "", time.monotonic()
        patience = min(_WITHOUT_GPUS_S, max(LEAST_S, self.left_s / 4))
        while not self.exhausted():
            self.count()
            status = self.cluster.trials.status(trial.id)
            if status.state in (TrialState.READY, TrialState.FAILED):
                return status
            if status.state is not TrialState.WAITING:
                waits_since = time.monotonic()
            elif time.monotonic() - waits_since > patience:
                reason = f"it could not be deployed for {patience / 60:.0f} min: {status.message}"
                self.fail(trial, reason, without_gpus=True)
                return None
            self.waits_for = f"{status.state}{f': {status.message}' if status.message else ''}"
            if self.waits_for != shown:
                on_change(self.waits_for)
                shown = self.waits_for
            time.sleep(_POLL_S)
        return None
