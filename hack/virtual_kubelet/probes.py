"""Probes: when they are made, and how many outcomes in a row count."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dgdr_controller.manifest import Manifest
from hack.virtual_kubelet.handlers import Target, failure


@dataclass(slots=True)
class Tally:
    """Counts outcomes of a probe in a row.

    Attributes:
        successes_needed: Successes in a row after which the probe has succeeded.
        failures_needed: Failures in a row after which it has failed.
    """

    successes_needed: int = 1
    failures_needed: int = 3
    _successes: int = 0
    _failures: int = 0

    def count(self, *, success: bool) -> bool | None:
        """Count an outcome; return what the probe says now, None while too few outcomes agree."""
        self._successes = self._successes + 1 if success else 0
        self._failures = 0 if success else self._failures + 1
        if self._successes >= self.successes_needed:
            return True
        return False if self._failures >= self.failures_needed else None


@dataclass(frozen=True, slots=True)
class Prober:
    """Makes one probe of one container.

    Attributes:
        kind: Startup, Readiness or Liveness.
        probe: The probe's spec.
        target: The container.
        warn: Is told of each failure.
    """

    kind: str
    probe: Manifest
    target: Target
    warn: Callable[[str], None]

    async def run(self, tell: Callable[[bool], None]) -> None:
        """Probe until cancelled, and tell what the outcomes mean."""
        probe = self.probe
        tally = Tally(probe.get("successThreshold", 1), probe.get("failureThreshold", 3))
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        while True:
            wrong = await failure(probe, self.target, probe.get("timeoutSeconds", 1))
            if wrong:
                self.warn(f"{self.kind} probe failed: {wrong}")
            outcome = tally.count(success=not wrong)
            if outcome is not None:
                tell(outcome)
            await asyncio.sleep(probe.get("periodSeconds", 10))
