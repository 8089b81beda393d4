"""Metrics of the webhooks, under controller-runtime's names."""

from prometheus_client import Counter, Gauge, Histogram

from dgdr_controller.runtime.metrics import registry

REQUESTS = Counter(
    "controller_runtime_webhook_requests",
    "Total number of admission requests by HTTP status code.",
    ["webhook", "code"],
    registry=registry,
)
LATENCY = Histogram(
    "controller_runtime_webhook_latency_seconds",
    "Histogram of the latency of processing admission requests.",
    ["webhook"],
    registry=registry,
)
IN_FLIGHT = Gauge(
    "controller_runtime_webhook_requests_in_flight",
    "Current number of admission requests being served.",
    ["webhook"],
    registry=registry,
)
DENIALS = Counter(
    "dgdr_webhook_denials",
    "Number of requests that a webhook has refused.",
    ["webhook"],
    registry=registry,
)
