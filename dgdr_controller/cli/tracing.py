"""OpenTelemetry's SDK, where the environment names a collector: ``OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318``.

All of OpenTelemetry's own variables apply (headers, certificates, sampling, batches, resource attributes).
"""

import os
from typing import Any

from dgdr_controller.reconciler.traces import ROOT

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SERVICE = "dgdr-controller"


def configure() -> None:
    """Export traces, if the environment says where to; what is left is sent when the process exits."""
    if not any(os.environ.get(name) for name in _ENDPOINTS) or os.environ.get("OTEL_SDK_DISABLED", "") == "true":
        return
    # Imported here: ten megabytes that nobody pays for without traces.
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult  # noqa: PLC0415

    class RequestIds(RandomIdGenerator):
        """Gives a request's first span the identity that its trace has."""

        def generate_trace_id(self) -> int:
            root = ROOT.get()
            return root.trace_id if root else super().generate_trace_id()

        def generate_span_id(self) -> int:
            root = ROOT.get()
            return root.span_id if root else super().generate_span_id()

    class WholeTraces(Sampler):
        """Decides of each span by its trace alone: all spans of a request are kept, or none."""

        def __init__(self, chosen: Sampler) -> None:
            self._chosen = chosen

        def should_sample(
            self, parent_context: object, trace_id: int, name: str, *rest: Any, **more: Any
        ) -> SamplingResult:
            del parent_context  # which says that all are kept
            return self._chosen.should_sample(None, trace_id, name, *rest, **more)

        def get_description(self) -> str:
            return f"WholeTraces({self._chosen.get_description()})"

    os.environ.setdefault("OTEL_SERVICE_NAME", _SERVICE)
    provider = TracerProvider(resource=Resource.create(), id_generator=RequestIds())
    provider.sampler = WholeTraces(provider.sampler)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
