"""What a phase decides: plain data, written to the cluster by `act` alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from dgdr_api.conditions import Profiling, Statement, Succeeded, stated
from dgdr_api.names import ANNOTATION_GENERATED
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.reconciler.observed_state import World

Manifest = dict[str, Any]


class How(Enum):
    """How an object is brought into being."""

    CREATE = "create"
    """Once; it has parts that cannot be changed, or is not ours to change afterwards."""
    APPLY = "apply"
    """By server-side apply, as often as it is decided."""
    TRY = "try"
    """Not at all: the API server is asked whether it would take it."""


class About(Protocol):
    """A condition that can tell what the API server says of an object."""

    @classmethod
    def waiting(cls, reason: str, message: str) -> Statement:
        """Say what is awaited."""

    @classmethod
    def refused(cls, message: str) -> Statement:
        """Say why it refuses the object for good."""


@dataclass(frozen=True, slots=True)
class Ensure:
    """An object that is to exist.

    Attributes:
        manifest: The object.
        how: How it is written.
        refused: Condition to set, with the API server's words, when it refuses the object for good.
    """

    manifest: Manifest
    how: How
    refused: type[About] | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """An object that is to go.

    Attributes:
        kind: Its kind.
        name: Its name, in the request's namespace.
        uid: Its UID: another object of that name is left alone.
    """

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event on the request.

    Attributes:
        reason: In one word.
        message: In a sentence.
        warning: Whether somebody should look.
    """

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, in this order.

    Attributes:
        status: The whole next status; an equal one is not written.
        remove: Objects that are to go.
        ensure: Objects that are to exist before the status says so.
        annotations: Annotations of the request that are to be set; None removes one.
        events: What people are told, once the status is written.
        after_s: When to look again though nothing changes, in seconds; None: not at all.
        is_progress: Whether the status tells no more than how far something has come, and can wait a little.
    """

    status: DgdrStatus
    remove: Sequence[Remove] = ()
    ensure: Sequence[Ensure] = ()
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    events: Sequence[Event] = ()
    after_s: float | None = None
    is_progress: bool = False


def start_over(world: World, *, remove: Sequence[Remove] = (), events: Sequence[Event] = ()) -> Decision:
    """Begin anew with Pending; what was found for an earlier spec or try is forgotten, its export too."""
    generated = {ANNOTATION_GENERATED: None} if world.annotation(ANNOTATION_GENERATED) else {}
    status = enter(world, Phase.PENDING, Profiling.discovering(), anew=True)
    return Decision(status, remove=remove, annotations=generated, events=events)


def enter(world: World, phase: Phase, *statements: Statement, anew: bool = False, **changes: object) -> DgdrStatus:
    """Return the status in a phase: with what is stated and changed, and the aggregate that follows.

    Args:
        world: What exists.
        phase: The phase.
        statements: Each replaces the condition of its type.
        anew: Forget everything that was found for an earlier generation or try.
        changes: Fields of the status.
    """
    before = DgdrStatus() if anew else world.status
    conditions = stated(before.conditions or (), statements, world.generation, world.now)
    conditions = stated(conditions, [Succeeded.of(phase, conditions)], world.generation, world.now)
    fixed = {"phase": phase, "observed_generation": world.generation, "conditions": conditions}
    return before.model_copy(update=changes | fixed)
