"""Whether and when a container that has ended is started again: pure logic."""

from dataclasses import dataclass

from dgdr_controller.manifest import Manifest

_FIRST_S, _MOST_S = 10.0, 300.0
_STABLE_S = 600.0
ALWAYS, ON_FAILURE, NEVER = "Always", "OnFailure", "Never"


def is_sidecar(container: Manifest) -> bool:
    """Say whether an init container is a native sidecar: it runs beside the main containers."""
    return container.get("restartPolicy") == ALWAYS


def policy_of(pod: Manifest, container: Manifest, *, init: bool) -> str:
    """Return the restart policy of one container of a pod."""
    if init and is_sidecar(container):
        return ALWAYS
    policy = str(pod["spec"].get("restartPolicy", ALWAYS))
    return ON_FAILURE if init and policy == ALWAYS else policy


def is_restarted(policy: str, exit_code: int) -> bool:
    """Say whether a container that has ended is started again."""
    return policy == ALWAYS or (policy == ON_FAILURE and exit_code != 0)


@dataclass(slots=True)
class BackOff:
    """Seconds between the runs of a container, as the kubelet has them: 0, 10, 20, 40 and so on up to 5 minutes."""

    _next_s: float = 0.0

    def after(self, ran_s: float) -> float:
        """Return the seconds to wait after a run; one of ten minutes begins the count anew."""
        if ran_s >= _STABLE_S:
            self._next_s = 0.0
        delay = self._next_s
        self._next_s = min(max(_FIRST_S, 2 * delay), _MOST_S)
        return delay
