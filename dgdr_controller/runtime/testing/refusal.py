"""An API server's no."""

from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer
    """An answer that says no."""

    def __init__(self, status: int, reason: str, message: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message}
        self.body |= {"details": details} if details else {}
