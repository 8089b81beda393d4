"""What a phase decides: plain data, written to the cluster by `act` alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from dgdr_api.conditions import ConditionUpdate, Profiling, Succeeded, set_conditions
from dgdr_api.names import ANNOTATION_GENERATED
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler.observed_state import ObservedState, Subject

_SINCE = re.compile(r" \(since (\d{4}-\d\d-\d\d \d\d:\d\d) UTC\)$")


class WriteMode(Enum):
    """How an object is written."""

    CREATE = "create"
    """Once; it has parts that cannot be changed, or is not ours to change afterwards."""
    APPLY = "apply"
    """By server-side apply, as often as it is decided."""
    REPLACE = "replace"
    """In place of the object of its name as it was at the resourceVersion: its spec, labels and annotations."""
    OWN = "own"
    """Not but for its owners, of the object of its name as it was at the resourceVersion."""
    DRY_RUN = "dry-run"
    """Not at all: the API server is asked whether it would accept it."""


class ObjectCondition(Protocol):
    """A condition that can report what the API server says of an object."""

    @classmethod
    def waiting(cls, reason: str, message: str) -> ConditionUpdate:
        """Return the condition while the object cannot be written yet."""

    @classmethod
    def refused(cls, message: str) -> ConditionUpdate:
        """Return the condition once the API server has rejected the object for good."""


@dataclass(frozen=True, slots=True)
class Ensure:
    """An object that is to exist.

    Attributes:
        manifest: The object.
        mode: How it is written.
        condition: The condition to set, with the API server's message, when it rejects the object for good; None:
            that is an error.
        instead: Where the API server does not accept it, what is done in its place: other objects, and events, made
            of its message and of whether that is for good. None: that is the end of the request, or an error.
        waits: Whether a dry run that is forbidden (by a policy, by a quota) is waited for: the object is written next,
            and would be forbidden too. Else it is no answer.
    """

    manifest: Manifest
    mode: WriteMode
    condition: type[ObjectCondition] | None = None
    waits: bool = False
    instead: "Callable[[str, bool], Refused] | None" = None


@dataclass(frozen=True, slots=True)
class Refused:
    """What is done where the API server does not accept an object that the request can do without.

    Attributes:
        ensure: What is to exist in its place; None: nothing.
        events: What people are told.
        condition: What the request's status says of it; None: nothing.
    """

    ensure: Ensure | None = None
    events: Sequence["Event"] = ()
    condition: ConditionUpdate | None = None


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
        candidates: Number of candidates in the results that it takes; None: it takes none.
        awaits: What no watch reports, and whose change makes the request be looked at again.
    """

    status: DgdrStatus
    remove: Sequence[Remove] = ()
    ensure: Sequence[Ensure] = ()
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    events: Sequence[Event] = ()
    after_s: float | None = None
    is_progress: bool = False
    candidates: int | None = None
    awaits: frozenset[Subject] = frozenset()


def news(observed: ObservedState, update: ConditionUpdate) -> tuple[Event, ...]:
    """Return a warning of what a condition says, unless the request has it for this reason: words may change often."""
    previous = observed.condition(update.type)
    if previous is not None and previous.reason == update.reason:
        return ()
    return (Event(update.reason, update.message, warning=True),)


def since(observed: ObservedState, waiting: ConditionUpdate) -> ConditionUpdate:
    """Return a condition that says since when it is so; what is not waited for any more for this reason begins anew.

    The condition's own time does not tell: it is that of its status, which stays False from one reason to another.
    """
    previous = observed.condition(waiting.type)
    known = _SINCE.search(previous.message) if previous is not None and previous.reason == waiting.reason else None
    began = known[1] if known else f"{observed.now:%Y-%m-%d %H:%M}"
    return replace(waiting, message=f"{waiting.message} (since {began} UTC)")


def start_over(observed: ObservedState, *, remove: Sequence[Remove] = (), events: Sequence[Event] = ()) -> Decision:
    """Go back to Pending, without anything that an earlier spec or attempt has left in the status or as an export."""
    generated = {ANNOTATION_GENERATED: None} if observed.annotation(ANNOTATION_GENERATED) else {}
    status = enter(observed, Phase.PENDING, Profiling.discovering(), reset=True)
    return Decision(status, remove=remove, annotations=generated, events=events)


def enter(
    observed: ObservedState, phase: Phase, *updates: ConditionUpdate, reset: bool = False, **changes: object
) -> DgdrStatus:
    """Return the status in a phase, with the Succeeded condition that follows from the others.

    Args:
        observed: What exists.
        phase: The phase.
        updates: Conditions; each replaces the one of its type.
        reset: Whether to drop everything that an earlier generation or attempt has left.
        changes: Fields of the status.
    """
    before = DgdrStatus() if reset else observed.status
    conditions = set_conditions(before.conditions or (), updates, observed.generation, observed.now)
    conditions = set_conditions(conditions, [Succeeded.of(phase, conditions)], observed.generation, observed.now)
    fixed = {"phase": phase, "observed_generation": observed.generation, "conditions": conditions}
    return before.model_copy(update=changes | fixed)
