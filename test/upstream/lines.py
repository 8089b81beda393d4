"""What a line of the checklist is, and how lines are written that share a test or a reason."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A behaviour that a test of Dynamo's own controller asserts, or a flaw of that controller.

    Attributes:
        name: Dynamo's test with its case, or the flaw in a few words.
        covered: Tests of ours that assert the behaviour, or that the flaw is not there: node ids without parameters.
        case: Text in the module of the first of them by which a parametrized test tells the case; empty: there is none.
        not_applicable: Why there is no such test, in a sentence; empty: there is one.
        not_yet: What the product does not do yet, in a sentence; empty: it does.
    """

    name: str
    covered: tuple[str, ...] = ()
    case: str = ""
    not_applicable: str = ""
    not_yet: str = ""


def same(reason: str, *names: str) -> tuple[Line, ...]:
    """Return lines that do not apply, for the same reason."""
    return tuple(Line(name, not_applicable=reason) for name in names)


def cases(test: str, by_name: Mapping[str, str], prefix: str = "") -> tuple[Line, ...]:
    """Return lines of which each one is a case of the same test.

    Args:
        test: The test's node id.
        by_name: The text of the case, by the line's name.
        prefix: What the names begin with.
    """
    return tuple(Line(f"{prefix}{name}", covered=(test,), case=case) for name, case in by_name.items())
