"""Metrics of hardware discovery."""

from prometheus_client import Counter, Gauge

from dgdr_controller.runtime.metrics import registry

SCRAPE_FAILURES = Counter(
    "dgdr_hardware_scrape_failures",
    "Number of times that a DCGM exporter did not answer, or that its answer could not be read.",
    registry=registry,
)
LAST_UPDATE = Gauge(
    "dgdr_hardware_last_update_timestamp_seconds",
    "Unix time of the last look at DCGM exporters and at the pods that use GPUs.",
    registry=registry,
)
