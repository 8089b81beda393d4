"""HTTP for probes and Prometheus: ``/healthz``, ``/readyz``, ``/syncz``, ``/metrics``."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from dgdr_controller.runtime.metrics_auth import MetricsAuthorizer, self_signed

Check = Callable[[], str]
"""Returns what is wrong, or nothing; called in the control thread."""
_UNAVAILABLE = 503


class HealthServer:
    """Answers probes and scrapes; lives in the control thread, so that it answers while reconcilers are busy.

    Args:
        health: Where, as ``host:port`` or ``:port``; empty: nowhere.
        metrics: Where; may be the same.
        checks: Checks of ``/healthz`` and ``/readyz`` by path and name.
        registry: What is served under ``/metrics``.
        authorizer: Says who may read metrics, which are served by TLS then; None: everybody, in the clear.

    Raises:
        ValueError: Protected metrics have the address of the probes, which the kubelet asks without a token.
    """

    def __init__(
        self,
        health: str,
        metrics: str,
        checks: Mapping[str, Mapping[str, Check]],
        registry: CollectorRegistry,
        authorizer: MetricsAuthorizer | None = None,
    ) -> None:
        if authorizer is not None and metrics and metrics == health:
            raise ValueError(f"protected metrics need an address of their own: {metrics} is that of the probes")
        self._authorizer = authorizer
        self._addresses = {"health": health, "metrics": metrics}
        self._checks = checks
        self._registry = registry
        self._runners: list[web.AppRunner] = []
        self.ports: dict[str, int] = {}

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: An address is in use.
        """
        for address in dict.fromkeys(filter(None, self._addresses.values())):
            app = web.Application()
            if address == self._addresses["health"]:
                app.add_routes([web.get(path, self._probe) for path in self._checks])
            tls = None
            if address == self._addresses["metrics"]:
                app.add_routes([web.get("/metrics", self._metrics)])
                tls = self_signed("metrics") if self._authorizer else None
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            self._runners.append(runner)
            host, _, port = address.rpartition(":")
            site = web.TCPSite(runner, host or None, int(port), ssl_context=tls)
            await site.start()
            bound = runner.addresses[0][1]
            self.ports |= {what: bound for what, where in self._addresses.items() if where == address}

    async def stop(self) -> None:
        """Listen no more."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        if self._authorizer is not None:
            await self._authorizer.close()

    async def _probe(self, request: web.Request) -> web.Response:
        wrong = {name: _outcome(check) for name, check in self._checks[request.path].items()}
        lines = [f"[{'-' if what else '+'}] {name}: {what or 'ok'}" for name, what in wrong.items()]
        status = _UNAVAILABLE if any(wrong.values()) else 200
        return web.Response(text="\n".join(lines or ["ok"]) + "\n", status=status)

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._authorizer is not None:
            status = await self._authorizer.judge(request.headers.get("Authorization", ""), request.path)
            if status is not HTTPStatus.OK:
                return web.Response(text=f"{status.phrase}\n", status=status)
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _outcome(check: Check) -> str:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that breaks has not passed
        return f"{type(error).__name__}: {error}"
