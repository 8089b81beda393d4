"""Files with what was said once and read by somebody: a test compares them with what is said now."""

import os
from pathlib import Path


def golden(file: Path, text: str) -> str:
    """Return what a file says that should be said; ``GOLDEN=write`` has it say what is said now."""
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8")
