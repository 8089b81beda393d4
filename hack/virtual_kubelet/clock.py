"""Times as the API writes them."""

from datetime import UTC, datetime


def timestamp() -> str:
    """Return the time of day in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
