"""Spans of requests, recorded by OpenTelemetry's SDK and sent over its protocol."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from test.builders.observed_state import UID

_CREATED, _PROFILED, _DEPLOYING, _SERVED = "2026-01-02T03:00:00Z", "2026-01-02T03:01:00Z", "2026-01-02T03:02:00Z", 300
REQUEST = {
    "apiVersion": "nvidia.com/v1beta1",
    "kind": "DynamoGraphDeploymentRequest",
    "metadata": {"name": "qwen", "namespace": "team", "uid": UID, "creationTimestamp": _CREATED},
    "spec": {"model": "Qwen/Qwen3-32B"},
}
LIFE = f"""
import datetime as dt
from dgdr_api.conditions import DeploymentReady, Profiling, set_conditions
from dgdr_api.v1beta1 import DgdrStatus, Phase, ProfilingResults
from dgdr_controller.cli import tracing
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.traces import record
from dgdr_controller.settings import Settings

tracing.configure()
request = REQUESTS.decode(b'{json.dumps(REQUEST)}')
created, profiled, deploying = map(dt.datetime.fromisoformat, ("{_CREATED}", "{_PROFILED}", "{_DEPLOYING}"))


def reconcile(status, now, phase, *updates):
    before = ObservedState(request.model_copy(update={{"status": status}}), 1, Settings(), now)
    conditions = set_conditions(status.conditions or () if status else (), updates, 1, now)
    after = DgdrStatus(phase=phase, conditions=conditions, profiling_results=ProfilingResults(start_time=profiled))
    record(before, after)
    return after


def live(uid):
    global request
    request = request.model_copy(update={{"metadata": request.metadata.model_copy(update={{"uid": uid}})}})
    pending = reconcile(None, created, Phase.PENDING, Profiling.discovering())
    running = reconcile(pending, profiled, Phase.PROFILING)
    same = reconcile(running, profiled, Phase.PROFILING)
    ready = reconcile(same, deploying, Phase.DEPLOYING, Profiling.completed(), DeploymentReady.in_progress("d", ""))
    reconcile(ready, deploying + dt.timedelta(seconds={_SERVED}), Phase.FAILED, DeploymentReady.deleted())


"""


class _Collector(HTTPServer):
    """Takes traces as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[ExportTraceServiceRequest] = []

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.requests
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }


class _Handler(BaseHTTPRequestHandler):
    server: _Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[_Collector]:
    with _Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def lived(*uids: str, **environment: str) -> None:
    """Live requests' lives in a process of its own: a process has one SDK."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    run = subprocess.run(
        [sys.executable, "-c", f"{LIFE}for uid in {uids}: live(uid)"],
        env=clean | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")


def seconds(span: Span) -> float:
    return (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9


def test_life_of_a_request_is_one_trace(collector: _Collector) -> None:
    lived(UID, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    spans = {span.name: span for span in collector.spans()}
    root = spans.pop("DynamoGraphDeploymentRequest")
    assert {name: seconds(span) for name, span in spans.items()} == {
        "Pending": 60,
        "Profiling": 60,
        "Deploying": _SERVED,
    }
    assert {span.trace_id for span in (root, *spans.values())} == {hashlib.sha256(UID.encode()).digest()[:16]}
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    assert root.parent_span_id == b""
    assert len({span.span_id for span in (root, *spans.values())}) == 4
    assert {name: span.status.code for name, span in spans.items()} == {"Pending": 0, "Profiling": 0, "Deploying": 2}
    assert spans["Deploying"].status.message.startswith("Deployment was deleted by user")
    attributes = {attribute.key: attribute.value.string_value for attribute in spans["Profiling"].attributes}
    assert attributes["dgdr.model"] == "Qwen/Qwen3-32B"
    assert attributes["k8s.namespace.name"] == "team"
    assert attributes["dgdr.next_phase"] == "Deploying"
    assert collector.services() == {"dgdr-controller"}


def test_service_has_the_name_that_the_environment_gives(collector: _Collector) -> None:
    endpoint = f"http://127.0.0.1:{collector.server_port}/v1/traces"
    lived(UID, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint, OTEL_SERVICE_NAME="planner")
    assert collector.services() == {"planner"}


@pytest.mark.parametrize("disabled", [{}, {"OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_sent_unless_the_environment_says_so(collector: _Collector, disabled: dict[str, str]) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"} if disabled else {}
    lived(UID, **endpoint, **disabled)
    assert collector.requests == []


def test_sampler_keeps_all_spans_of_a_request_or_none(collector: _Collector) -> None:
    half = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    uids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(60)]
    lived(*uids, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}", **half)
    kept = Counter(span.trace_id for span in collector.spans())
    assert set(kept.values()) == {4}
    assert 15 < len(kept) < 45
