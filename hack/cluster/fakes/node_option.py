"""``--node``: a fake node as a command line option says it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from hack.cluster import node as real
from hack.cluster.fakes.gpus import FakeGpus
from hack.cluster.progress import ClusterError

SYNTAX = "NAME[=COUNTxPRODUCT:MIB][,OPTION...]"
PRODUCT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,40}[A-Za-z0-9])?")
"""A label's value, with room for what MIG and time slicing put behind it."""
_HARDWARE = re.compile(rf"([1-9]\d{{0,3}})x({PRODUCT.pattern}):([1-9]\d*)")
_MIG_PROFILE = re.compile(r"[1-7]g\.[1-9]\d*gb")
TAINT = re.compile(r"([^=:]+)(?:=([^=:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class FakeNode:
    """A node without a machine.

    Attributes:
        name: Name of the node.
        gpus: Its GPUs; None: a node without.
        labels: Labels besides those that go with the GPUs.
        taints: Taints, each as ``kubectl taint`` takes them: KEY=VALUE:EFFECT.
        cordoned: Whether it is marked unschedulable.
        ready: Whether it has heartbeats; without, it is as one whose machine is lost.
        pods: How many pods the scheduler may bind to it; they stay Pending.
        in_use: How many of its GPUs a pod holds.
    """

    name: str
    gpus: FakeGpus | None = None
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[str, ...] = ()
    cordoned: bool = False
    ready: bool = True
    pods: int = 0
    in_use: int = 0


_OPTIONS = (
    "cordoned, not-ready, label=KEY=VALUE, taint=KEY=VALUE:EFFECT, in-use=GPUS, pods=COUNT, shared=REPLICAS, "
    "mig=PROFILE, mig-mixed=PROFILE"
)


def read_all(texts: Iterable[str]) -> tuple[FakeNode, ...]:
    """Read nodes from command line options.

    Raises:
        ClusterError: One is wrong; the sentence names the part.
    """
    nodes = tuple(read(text) for text in texts)
    names = [node.name for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise ClusterError(f'--node: there are two nodes "{name}"; give each a name of its own')
    return nodes


def read(text: str) -> FakeNode:
    """Read a node from its text form, `SYNTAX`.

    Raises:
        ClusterError: It is wrong; the sentence names the part.
    """
    head, *options = text.split(",")
    name, _, hardware = head.partition("=")
    if not _NAME.fullmatch(name):
        raise _wrong(text, f'"{name}" is no name of a node: lower-case letters, digits, "-" and "."')
    if name == real.NAME:
        raise _wrong(text, f'"{name}" is the node that runs; choose another name, or --gpus for that one')
    found = _HARDWARE.fullmatch(hardware)
    if "=" in head and not found:
        raise _wrong(text, f'"{hardware}" are no GPUs: COUNTxPRODUCT:MIB, as in 8xNVIDIA-H200:143771')
    gpus = FakeGpus(int(found[1]), found[2], int(found[4])) if found else None
    node = FakeNode(name, gpus)
    for option in options:
        node = _with(node, option, text)
    offered = int(node.gpus.resources[node.gpus.resource]) if node.gpus else 0
    if node.in_use > offered:
        raise _wrong(text, f"in-use={node.in_use}, but it has {offered}")
    return node


def _wrong(text: str, why: str) -> ClusterError:
    return ClusterError(f"--node {text}: {why}")


def _with(node: FakeNode, option: str, text: str) -> FakeNode:
    """Return the node with one more option."""
    key, _, value = option.partition("=")
    match key:
        case "cordoned" | "not-ready" if not value:
            return replace(node, cordoned=True) if key == "cordoned" else replace(node, ready=False)
        case "label" if "=" in value:
            label, _, content = value.partition("=")
            return replace(node, labels=node.labels | {label: content})
        case "taint" if TAINT.fullmatch(value):
            return replace(node, taints=(*node.taints, value))
        case "pods" if re.fullmatch(r"\d{1,4}", value):
            return replace(node, pods=int(value))
        case "in-use" if re.fullmatch(r"\d{1,4}", value):
            return replace(node, in_use=int(value))
        case "shared" | "mig" | "mig-mixed":
            return replace(node, gpus=_divided(node.gpus, key, value, text))
    raise _wrong(text, f'"{option}" is no option; there are {_OPTIONS}')


def _divided(gpus: FakeGpus | None, key: str, value: str, text: str) -> FakeGpus:
    if gpus is None or gpus.is_amd:
        raise _wrong(text, f"{key} is for GPUs of NVIDIA; this node has none")
    if key == "shared":
        if not re.fullmatch(r"\d{1,3}", value) or int(value) <= 1:
            raise _wrong(text, f'"{key}={value}": into how many is a GPU sliced? 2 or more')
        return replace(gpus, replicas=int(value))
    if not _MIG_PROFILE.fullmatch(value) or replace(gpus, mig=value).instances == 0:
        raise _wrong(text, f'"{key}={value}": a profile that fits the GPU is wanted, as 1g.10gb for 80 GB')
    return replace(gpus, mig=value, mig_mixed=key == "mig-mixed")
