"""A request in a few lines: where it stands, what it waits for, what was chosen, warnings. Pure."""

from collections.abc import Iterable, Iterator

from dgdr_api.conditions import PerformanceVerified, Succeeded
from dgdr_api.defaults import Effective, Value, effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.formatting import exact, significant
from dgdr_api.request_warnings import ConfigurationWarning, PrerequisiteWarning, SLAWarning
from dgdr_api.v1beta1 import Condition, DgdrStatus, DynamoGraphDeploymentRequest, ParetoItem, Phase
from dgdr_api.v1beta1.status import EstimateRange
from dgdr_controller.kubectl.published import selected_id

_NUMBERS = (
    ("Tokens/s/GPU", "throughput_per_gpu", "", ""),
    ("Tokens/s", "throughput", "", ""),
    ("TTFT", "ttft", "ms", "ttft"),
    ("ITL", "itl", "ms", "itl"),
    ("Concurrency", "concurrency", "", ""),
)
"""Title, field of a point in the status, unit, and field of the target."""
_WARNINGS = (PrerequisiteWarning.TYPE, SLAWarning.TYPE, ConfigurationWarning.TYPE)


def describe(request: DynamoGraphDeploymentRequest) -> list[str]:
    """Return the lines of a request."""
    status = request.status or DgdrStatus()
    rows = [
        ("Name", request.metadata.name),
        ("Namespace", request.metadata.namespace or ""),
        ("Model", request.spec.model),
        ("Phase", phase_of(request)),
        ("Message", message_of(request)),
        *_hardware(status),
        *_selected(request, status),
        *_verified(status),
    ]
    width = max(len(title) for title, _ in rows) + 2
    lines = [f"{f'{title}:':<{width}}{text}".rstrip() for title, text in rows if text]
    return [*lines, *(f"Warning: {c.type}: {c.message}" for c in _conditions(status, _WARNINGS) if c.status == "True")]


def phase_of(request: DynamoGraphDeploymentRequest) -> str:
    """Return the phase, with what profiling does."""
    status = request.status or DgdrStatus()
    phase = status.phase or Phase.PENDING
    return f"{phase} ({status.profiling_phase})" if status.profiling_phase else phase.value


def message_of(request: DynamoGraphDeploymentRequest) -> str:
    """Return what is awaited, or what has become of it."""
    found = condition_of(request, Succeeded.TYPE)
    return found.message if found else "The controller has not looked at it yet"


def condition_of(request: DynamoGraphDeploymentRequest, type_: str) -> Condition | None:
    """Return the condition of a type; None where there is none."""
    return next(iter(_conditions(request.status or DgdrStatus(), (type_,))), None)


def _conditions(status: DgdrStatus, types: Iterable[str]) -> list[Condition]:
    return [condition for condition in status.conditions or () if condition.type in types]


def _hardware(status: DgdrStatus) -> Iterator[tuple[str, str]]:
    found = status.hardware
    if found is not None and found.gpu_sku and found.total_gpus is not None:
        yield "GPUs", f"{found.total_gpus} × {found.gpu_sku} at most"


def _selected(request: DynamoGraphDeploymentRequest, status: DgdrStatus) -> Iterator[tuple[str, str]]:
    """Yield the chosen configuration, its numbers beside the targets, and its deployment."""
    results, chosen = status.profiling_results, selected_id(request)
    points = results.pareto or () if results else ()
    point = next((point for point in points if point.id == chosen), None)
    if point is not None:
        yield "Candidate", f"{point.id} ({point.backend} {point.mode}, {point.parallelization}, {point.gpus} GPUs)"
        yield from _numbers(point, request)
    if status.dgd_name and (info := status.deployment_info):
        replicas = f", {info.available_replicas or 0} of {info.replicas} replicas available" if info.replicas else ""
        yield "Deployment", f"{status.dgd_name}{replicas}"


def _numbers(point: ParetoItem, request: DynamoGraphDeploymentRequest) -> Iterator[tuple[str, str]]:
    try:
        applied = effective(request)
    except InvalidRequestError:  # of an annotation that webhooks were not asked about
        applied = None
    for title, field, unit, target in _NUMBERS:
        value: float | None = getattr(point, field)
        if value is not None:
            notes = [
                *_range(getattr(point, f"{field}_range", None)),
                *(_target(applied, target) if applied and target else ()),
            ]
            yield (
                title,
                " ".join(
                    [significant(value), *([unit] if unit else []), *([f"({'; '.join(notes)})"] if notes else [])]
                ),
            )
    if point.sla_chance_percent is not None:
        yield "All targets", f"{point.sla_chance_percent} % likely met"
    if point.source is not None:
        yield "Numbers", point.source


def _range(found: EstimateRange | None) -> Iterator[str]:
    if found is not None and found.low is not None and found.high is not None:
        yield f"{significant(found.low, 2)}–{significant(found.high, 2)}"


def _target(applied: Effective, name: str) -> Iterator[str]:
    target: Value[float] | None = getattr(applied, name)
    if target is not None:
        yield f"target {exact(target.value)}{'' if target.explicit else ', default'}"


def _verified(status: DgdrStatus) -> Iterator[tuple[str, str]]:
    for condition in _conditions(status, (PerformanceVerified.TYPE,)):
        yield "Verified", f"{condition.status}, {condition.reason}: {condition.message}"
