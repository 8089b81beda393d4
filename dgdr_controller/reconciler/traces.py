"""Traces: one for each request, with a span for each phase of its whole life.

A phase's span is made when it ends, from the times in the status, and the trace's identity is made of the request's:
nothing has to be remembered, and a controller that starts anew goes on with the same traces. Where
the command line has set up no SDK, nothing is recorded.
"""

import datetime as dt
import hashlib
from contextvars import ContextVar
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from dgdr_api.conditions import Succeeded
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.reconciler.observed_state import ObservedState


class Identity(NamedTuple):
    """What a trace's first span is identified by.

    Attributes:
        trace_id: 128 bits.
        span_id: 64 bits.
    """

    trace_id: int
    span_id: int


ROOT: ContextVar[Identity | None] = ContextVar("ROOT", default=None)
"""Identity of the span that is begun, where it is a request's first one; an SDK's generator of identities reads it."""
_tracer = trace.get_tracer("dgdr-controller")


def identity(uid: str) -> Identity | None:
    """Return the identity of a request's trace; None where it has no UID.

    A hash, as samplers decide by an identity's bits: those of a UUID are not all random.
    """
    digest = hashlib.sha256(uid.encode()).digest()
    return Identity(int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])) if uid else None


def record(observed: ObservedState, status: DgdrStatus) -> None:
    """Record the span of a phase that has ended; with the first status of a request, the trace's first span, too.

    Args:
        observed: What was observed before.
        status: The status that was written.
    """
    root = identity(observed.uid)
    if root is None:
        return
    if observed.status.phase is None:
        _record_root(observed, root)
    begun = observed.phase_start
    if status.phase is observed.phase or begun is None:
        return
    parent = SpanContext(root.trace_id, root.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    span = _tracer.start_span(
        str(observed.phase),
        trace.set_span_in_context(NonRecordingSpan(parent)),
        attributes=_attributes(observed) | {"dgdr.next_phase": str(status.phase)},
        start_time=_nanoseconds(begun),
    )
    if status.phase is Phase.FAILED:
        cause = Succeeded.cause(status.conditions or ())
        span.set_status(Status(StatusCode.ERROR, cause.message if cause else None))
    span.end(_nanoseconds(max(begun, observed.now)))


def _record_root(observed: ObservedState, root: Identity) -> None:
    """Record the span that all others are in; it ends at once, as nobody knows how long a request lives."""
    created = observed.request.metadata.creation_timestamp or observed.now
    token = ROOT.set(root)
    try:
        _tracer.start_span(
            "DynamoGraphDeploymentRequest",
            trace.set_span_in_context(trace.INVALID_SPAN),
            attributes=_attributes(observed),
            start_time=_nanoseconds(created),
        ).end(_nanoseconds(max(created, observed.now)))
    finally:
        ROOT.reset(token)


def _attributes(observed: ObservedState) -> dict[str, str]:
    """Return what is searched for, under OpenTelemetry's names where it has some."""
    spec = observed.request.spec
    return {
        "k8s.namespace.name": observed.key.namespace,
        "dgdr.name": observed.name,
        "dgdr.uid": observed.uid,
        "dgdr.model": spec.model,
        "dgdr.backend": str(spec.backend or "auto"),
        "dgdr.search_strategy": str(spec.search_strategy or "rapid"),
    }


def _nanoseconds(time: dt.datetime) -> int:
    return int(time.timestamp()) * 10**9
