"""How Kubernetes wants names and labels spelled: each function says in its words what is wrong, or nothing."""

import re
from collections.abc import Callable

Syntax = Callable[[str], str]
"""Says what is wrong with a text, in Kubernetes' words; nothing when nothing is."""


def _syntax(pattern: str, words: str, longest: int | None = None) -> Syntax:
    whole = re.compile(pattern)

    def fault(text: str) -> str:
        if longest is not None and len(text) > longest:
            return f"must be no more than {longest} characters"
        return "" if whole.fullmatch(text) else words

    return fault


_ENDS = "must start and end with an alphanumeric character"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
dns_label = _syntax(
    _LABEL,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {_ENDS}",
    63,
)
dns_subdomain = _syntax(
    rf"{_LABEL}(\.{_LABEL})*",
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {_ENDS}",
    253,
)
label_value = _syntax(
    "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and {_ENDS}",
    63,
)
_name_part = _syntax(
    "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
    f"must consist of alphanumeric characters, '-', '_' or '.', and {_ENDS}",
    63,
)
variable_name = _syntax(  # what Kubernetes takes since 1.34; older versions take less
    "[ -<>-~]+",
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
)


def label_name(name: str) -> str:
    """Say what is wrong with the name of a label, prefix and all."""
    prefix, slash, rest = name.rpartition("/")
    if slash and (fault := dns_subdomain(prefix)):
        return f"prefix part {fault}"
    fault = _name_part(rest)
    return f"name part {fault}" if fault else ""


def annotation_name(name: str) -> str:
    """Say what is wrong with the name of an annotation."""
    return label_name(name.lower())
