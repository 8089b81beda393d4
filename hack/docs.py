"""The parts of docs/ that are made from the code: tables between markers, in pages that are written by hand otherwise.

A page names the block that it wants, and `hack/generate.py` keeps what is between the markers up to date:

    <!-- generated: settings -->
    <!-- end of generated -->
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dgdr_api import conditions, v1beta1
from dgdr_api.causes import CAUSES, Outcome
from dgdr_api.conditions import ConditionUpdate
from dgdr_api.gpus import GPUS
from dgdr_api.measurements import Measurement
from dgdr_api.request_warnings import ConfigurationWarning, Missed, PrerequisiteWarning, RequestWarning, SLAWarning
from dgdr_api.schema import Schema, structural
from dgdr_controller import runtime
from dgdr_controller.admission import metrics as admission_metrics
from dgdr_controller.admission.certificates import metrics as certificate_metrics
from dgdr_controller.cli.commands import dgdr
from dgdr_controller.hardware import metrics as hardware_metrics
from dgdr_controller.kubectl.commands import dgdr as plugin
from dgdr_controller.reconciler import metrics as request_metrics
from dgdr_controller.runtime import metrics as runtime_metrics
from dgdr_controller.settings import Settings
from hack import engine_tables
from hack.markdown import code, table
from hack.monitoring.prometheus import alerts

DOCS = Path(__file__).parent.parent / "docs"

_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)
_WIDTH = 100
"""Columns of a command's help."""


def pages() -> dict[Path, str]:
    """Return every page that has a generated block, with its blocks up to date.

    Raises:
        KeyError: A page names a block that there is not.
    """
    found = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
    return {path: _BLOCK.sub(_filled, text) for path, text in found.items() if _BLOCK.search(text)}


def _filled(block: re.Match[str]) -> str:
    return f"{block[1]}\n{BLOCKS[block[2]]()}\n\n{block[3]}"


# --- Fields of a request


def _spec() -> str:
    return _objects(structural(v1beta1.DynamoGraphDeploymentRequest)["properties"]["spec"], "spec")


def _status() -> str:
    return _objects(structural(v1beta1.DynamoGraphDeploymentRequest)["properties"]["status"], "status")


def _measurement() -> str:
    return _objects(structural(Measurement), "measurement")


def _objects(schema: Schema, path: str) -> str:
    """Return a section for an object and each object in it."""
    return "\n\n".join(_sections(schema, path))


def _sections(schema: Schema, path: str) -> Iterator[str]:
    required = schema.get("required", ())
    fields: Mapping[str, Schema] = schema["properties"]
    rows = ((code(name), _type(field), _paragraph(field, required=name in required)) for name, field in fields.items())
    yield f"## {path}\n\n{schema.get('description', '')}\n\n" + table(("Field", "Type", "Meaning"), rows)
    for name, field in fields.items():
        inner = field.get("items", field)
        if inner.get("type") == "object" and "properties" in inner:
            described = {"description": field.get("description", ""), **inner}
            yield from _sections(described, f"{path}.{name}{'[]' if 'items' in field else ''}")


def _type(field: Schema) -> str:
    if "enum" in field:
        return " | ".join(map(code, field["enum"]))
    if "type" not in field:
        return "boolean or object"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    return str({"date-time": "time"}.get(field.get("format", ""), field["type"]))


def _paragraph(field: Schema, *, required: bool) -> str:
    limits = []
    if "minimum" in field:
        limits.append(f"{'more than' if field.get('exclusiveMinimum') else 'at least'} {field['minimum']:g}")
    text = " ".join(field.get("description", "").split())
    limits = [limit for limit in limits if limit not in text]
    return " ".join([*(["**Required.**"] if required else []), text, *([f"({', '.join(limits)})"] if limits else [])])


def _gpus() -> str:
    rows = (
        (
            code(gpu.sku),
            f"{gpu.vram_mib:,}",
            str(gpu.gpus_per_node),
            gpu.vendor,
            "yes" if gpu.aic_system else "no",
            ", ".join(map(code, gpu.deprecated)),
        )
        for gpu in GPUS
    )
    header = ("SKU", "Memory (MiB)", "GPUs per node", "Vendor", "Known to AIConfigurator 0.12", "Deprecated name")
    return table(header, rows)


# --- Conditions

_CONDITIONS = (
    *(conditions.Validation, conditions.Profiling, conditions.ProfilingComplete, conditions.SpecGenerated),
    conditions.DeploymentReady,
)
_VARIABLE = {
    ("Profiling", "running"): "`<sub-phase>`, or `ProfilingRunning`",
    ("Profiling", "failed"): "`<sub-phase>Failed`, or `ProfilingFailed`",
}
"""Reasons that are made from another program's word."""
_CHOSEN_BY_CALLER = ("waiting",)
"""Constructors that are given their reason: those are listed by hand."""


def _conditions() -> str:
    rows = (
        (
            code(update.type),
            update.status,
            _VARIABLE.get((update.type, name), code(update.reason)),
            _plain(update.message),
        )
        for of in _CONDITIONS
        for name, update in _updates(of)
    )
    return table(("Type", "Status", "Reason", "Message"), rows)


def _waiting() -> str:
    return table(
        ("Phase", "Type", "Reason", "The controller waits because", "The request fails"),
        (
            (" or ".join(cause.phases), code(cause.condition), code(cause.reason), cause.words, cause.ends or "never")
            for cause in CAUSES
            if cause.outcome is Outcome.WAITS
        ),
    )


def _failing() -> str:
    return table(
        ("Phase", "Type", "Reason", "The request fails because"),
        (
            (" or ".join(cause.phases), code(cause.condition), code(cause.reason), cause.words)
            for cause in CAUSES
            if cause.outcome is Outcome.FAILS
        ),
    )


def _updates(of: type) -> Iterator[tuple[str, ConditionUpdate]]:
    """Yield what each constructor of a condition says, with the names of its arguments in angle brackets."""
    for name, member in vars(of).items():
        if not isinstance(member, classmethod) or name in _CHOSEN_BY_CALLER:
            continue
        construct = getattr(of, name)
        update: ConditionUpdate = construct(
            *(f"<{parameter}>" for parameter in inspect.signature(construct).parameters)
        )
        yield name, update


def _plain(text: str) -> str:
    """Return a message as Markdown shows it: angle brackets are no HTML."""
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _succeeded() -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for phase in v1beta1.Phase:
            update = conditions.Succeeded.of(phase, ())
            failed = phase is v1beta1.Phase.FAILED
            reason = "that of the first condition that is False" if failed else code(update.reason)
            yield phase.value, update.status, reason, "the cause, and its message" if failed else update.message

    return table(("Phase", "Status", "Reason", "Message"), rows())


def _warnings() -> str:
    closest = SLAWarning.closest([Missed("TTFT", 50, 120, 120)], "vllm aggregated, 2 × tp4 on h200_sxm")
    share = SLAWarning.share_served("requestRate=100/s", 0.42, 8, enough=64)
    model = ConfigurationWarning.not_simulated("acme/private", "")
    rows: list[RequestWarning] = [closest, share, model, *_prerequisites()]
    return table(("Type and reason", "Example"), ((code(row.type), row.message) for row in rows))


def _prerequisites() -> Iterator[RequestWarning]:
    """Yield an example of each of these warnings."""
    counted = "the cluster has 8 h200_sxm GPUs"
    yield PrerequisiteWarning.claim_for_one_node("models")
    yield PrerequisiteWarning.claim_unbound("models")
    yield PrerequisiteWarning.pull_secret_missing("registry", "DGDR_PROFILING__PULL_SECRETS")
    yield PrerequisiteWarning.token_missing("meta-llama/Llama-3.1-8B-Instruct", "hf-token-secret")
    path = "spec.overrides.dgd.spec.components[worker].podTemplate.spec.serviceAccountName"
    yield PrerequisiteWarning.deployment_lacks("ServiceAccount", "robot", path)
    yield PrerequisiteWarning.gpus_missing(16, counted)
    yield PrerequisiteWarning.gpus_busy(f"{counted}, 0 free")
    yield PrerequisiteWarning.one_node_engines(8)
    yield PrerequisiteWarning.no_dynamo()


# --- Settings


def _settings() -> str:
    return table(("Variable", "Default", "Meaning"), _variables(Settings, "DGDR_"))


def _variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    documented = _docstrings(model)
    for name, field in model.model_fields.items():
        kind = field.annotation
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            yield from _variables(kind, f"{prefix}{name.upper()}__")
        else:
            yield code(f"{prefix}{name.upper()}"), _default(field), documented[name]


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=False)
    if default in ("", ()):
        return "empty"
    return code(default)


def _docstrings(of: type) -> dict[str, str]:
    """Return the docstrings of a class's attributes, which Python itself does not keep."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(of))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - it is the source of a class
    found: dict[str, str] = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).replace("``", "`").split())
    return found


# --- Metrics and alerts

_MODULES: tuple[ModuleType, ...] = (
    *(runtime_metrics, request_metrics, hardware_metrics, admission_metrics, certificate_metrics),
)


def _metrics() -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for module in _MODULES:
            for metric in vars(module).values():
                if isinstance(metric, Counter | Gauge | Histogram):
                    (family,) = metric.collect()
                    name = f"{family.name}_total" if family.type == "counter" else family.name
                    labels = metric._labelnames  # noqa: SLF001 - there is no public way to ask
                    yield code(name), family.type, ", ".join(map(code, labels)), family.documentation

    return table(("Metric", "Type", "Labels", "Help"), rows())


def _alerts() -> str:
    return table(
        ("Alert", "Severity", "Holds for", "Meaning"),
        (
            (code(rule["alert"]), rule["labels"]["severity"], rule.get("for", "0m"), _meaning(rule))
            for rule in alerts().values()
        ),
    )


def _meaning(rule: Mapping[str, Any]) -> str:
    """Return an alert's summary, with words for what Prometheus fills in."""
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda label: label[1].upper(), rule["annotations"]["summary"])


# --- Command line


def _command_line() -> str:
    return _commands(dgdr, "dgdr", "##")


def _kubectl_plugin() -> str:
    return _commands(plugin, "kubectl dgdr", "###", without=("plan",))


def _commands(group: click.Group, program: str, heading: str, without: Collection[str] = ()) -> str:
    """Return the help of a program and of each of its commands."""
    settings: dict[str, Any] = {**group.context_settings, "max_content_width": _WIDTH, "terminal_width": _WIDTH}
    whole = click.Context(group, info_name=program, **settings)
    sections = [_help(whole)]
    for name in group.list_commands(whole):
        command = group.get_command(whole, name)
        assert command is not None  # noqa: S101 - it is one of those that are listed
        if name not in without:
            context = click.Context(command, whole, info_name=name, **settings)
            sections.append(f"{heading} {program} {name}\n\n{_help(context)}")
    return "\n\n".join(sections)


def _help(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```"


# --- The runtime


def _runtime_example() -> str:
    """Return the example of the package's docstring, which a test runs."""
    found = re.search(r"```python\n.*?```", runtime.__doc__ or "", re.DOTALL)
    assert found  # noqa: S101 - a test says so too
    return found[0]


BLOCKS: dict[str, Callable[[], str]] = {
    "spec": _spec,
    "status": _status,
    "measurement": _measurement,
    "gpus": _gpus,
    "conditions": _conditions,
    "waiting": _waiting,
    "failing": _failing,
    "succeeded": _succeeded,
    "warnings": _warnings,
    "settings": _settings,
    "alerts": _alerts,
    "metrics": _metrics,
    "command-line": _command_line,
    "kubectl-plugin": _kubectl_plugin,
    "releases": engine_tables.releases_table,
    "families": engine_tables.families_table,
    "transfers": engine_tables.transfers_table,
    "parsers": engine_tables.parsers_table,
    "own-code": engine_tables.own_code_list,
    "support-models": engine_tables.models_table,
    "support-features": engine_tables.features_table,
    "support-gpus": engine_tables.gpus_table,
    "runtime-example": _runtime_example,
}
"""What a page can have generated, by the name in its marker."""
