"""Whether the Prometheus that the planner is to read exists: asked of the cluster's DNS, which needs no rights."""

import asyncio
import os
import time
from urllib.parse import urlsplit

_FRESH_S = 60.0
_PATIENCE_S = 3.0


class ServiceNames:
    """Looks names of Services up, and remembers the answers for a minute."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, bool]] = {}

    async def resolves(self, url: str) -> bool | None:
        """Say whether a URL's host has an address.

        Returns:
            None where that is not known: outside of a cluster, for hosts that are no Services, without an answer.
        """
        host = urlsplit(url).hostname or ""
        if "KUBERNETES_SERVICE_HOST" not in os.environ or ".svc" not in host:
            return None
        asked, known = self._known.get(host, (float("-inf"), False))
        if time.monotonic() - asked < _FRESH_S:
            return known
        loop = asyncio.get_running_loop()
        try:
            found = bool(await asyncio.wait_for(loop.getaddrinfo(host, None), _PATIENCE_S))
        except TimeoutError:
            return None
        except OSError:  # no such name
            found = False
        self._known[host] = time.monotonic(), found
        return found
