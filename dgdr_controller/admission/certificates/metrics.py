"""What Prometheus is told of certificates: when they end, and how often they were replaced."""

from prometheus_client import Counter, Gauge

from dgdr_controller.runtime import metrics

expiry = Gauge(
    "dgdr_webhook_certificate_expiry_timestamp_seconds",
    "When a certificate of the webhook server ends: the serving certificate in use, and the newest CA",
    ["certificate"],
    registry=metrics.registry,
)
rotations = Counter(
    "dgdr_webhook_certificate_rotations",
    "How often a certificate of the webhook server was replaced by another one",
    ["certificate"],
    registry=metrics.registry,
)
