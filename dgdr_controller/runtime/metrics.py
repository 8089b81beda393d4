"""Metrics under the names that controller-runtime and client-go use, so that dashboards and alerts fit."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

registry = CollectorRegistry()
"""All metrics of this package; `Manager` serves it."""
ProcessCollector(registry=registry)  # CPU, memory and file descriptors, as client_golang has them

requests_total = Counter(
    "rest_client_requests",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    ["code", "method", "host"],
    registry=registry,
)

_RECONCILE_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
RESULTS = ("success", "error", "requeue", "requeue_after")

reconcile_total = Counter(
    "controller_runtime_reconcile",
    "Total number of reconciliations per controller",
    ["controller", "result"],
    registry=registry,
)
reconcile_errors = Counter(
    "controller_runtime_reconcile_errors",
    "Total number of reconciliation errors per controller",
    ["controller"],
    registry=registry,
)
terminal_errors = Counter(
    "controller_runtime_terminal_reconcile_errors",
    "Total number of terminal reconciliation errors per controller",
    ["controller"],
    registry=registry,
)
reconcile_panics = Counter(
    "controller_runtime_reconcile_panics",
    "Total number of reconciliation panics per controller",
    ["controller"],
    registry=registry,
)
reconcile_timeouts = Counter(
    "controller_runtime_reconcile_timeouts",
    "Total number of reconciliation timeouts per controller",
    ["controller"],
    registry=registry,
)
reconcile_seconds = Histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of time per reconciliation per controller",
    ["controller"],
    buckets=_RECONCILE_BUCKETS,
    registry=registry,
)
max_concurrent = Gauge(
    "controller_runtime_max_concurrent_reconciles",
    "Maximum number of concurrent reconciles per controller",
    ["controller"],
    registry=registry,
)
active_workers = Gauge(
    "controller_runtime_active_workers",
    "Number of currently used workers per controller",
    ["controller"],
    registry=registry,
)

_QUEUE_BUCKETS = tuple(10.0**exponent for exponent in range(-8, 4))
_QUEUE = ("name", "controller")

queue_depth = Gauge(
    "workqueue_depth", "Current depth of workqueue", ["name", "controller", "priority"], registry=registry
)
queue_adds = Counter("workqueue_adds", "Total number of adds handled by workqueue", _QUEUE, registry=registry)
queue_seconds = Histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested",
    _QUEUE,
    buckets=_QUEUE_BUCKETS,
    registry=registry,
)
work_seconds = Histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes.",
    _QUEUE,
    buckets=_QUEUE_BUCKETS,
    registry=registry,
)
queue_retries = Counter("workqueue_retries", "Total number of retries handled by workqueue", _QUEUE, registry=registry)
unfinished_seconds = Gauge(
    "workqueue_unfinished_work_seconds",
    "How many seconds of work has been done that is in progress and hasn't been observed by work_duration.",
    _QUEUE,
    registry=registry,
)
longest_seconds = Gauge(
    "workqueue_longest_running_processor_seconds",
    "How many seconds has the longest running processor for workqueue been running.",
    _QUEUE,
    registry=registry,
)
leader_slowpath = Counter(
    "leader_election_slowpath",
    "Total number of attempts that had to read the lease before they could renew or take it",
    ["name"],
    registry=registry,
)
leader_status = Gauge(
    "leader_election_master_status",
    "Whether this process holds the lease: 1, or waits for it: 0",
    ["name"],
    registry=registry,
)
