"""Which requests of a browser are answered: of the page itself alone, whoever else knows its address."""

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

TOKEN = "X-DGDR-Token"  # noqa: S105 - the name of a header
_LOCAL = ("localhost", "127.0.0.1", "::1")


def refusal(headers: Mapping[str, str], token: str | None = None) -> str | None:
    """Say why a request is not answered; None where it is.

    A name that somebody has pointed to this address (DNS rebinding) is told by Host, another page by Origin.

    Args:
        headers: The request's headers.
        token: What it must carry to change something; None: it only reads.
    """
    host = headers.get("Host", "")
    if _hostname(f"http://{host}") not in _LOCAL:
        return f"Host {host or '(none)'} is not this machine: open the page at http://localhost and the forwarded port"
    origin = headers.get("Origin")
    if origin is not None and origin != f"http://{host}":
        return f"The request comes from another page ({origin}): use this page's own buttons"
    if token is not None and not hmac.compare_digest(headers.get(TOKEN, "").encode(), token.encode()):
        return "The server was restarted; reload the page"
    return None


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
