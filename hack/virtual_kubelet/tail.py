"""Where the last lines of a file begin."""

import os
from typing import BinaryIO

_BLOCK = 64 * 1024


def start_of_last_lines(file: BinaryIO, lines: int | None) -> int:
    """Return the position from which so many lines are left; None: all of them.

    Args:
        file: A file, read from its end in blocks: logs may be long.
        lines: How many; the last one need not be complete.
    """
    if lines is None:
        return 0
    end = position = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    missing = lines
    while position > 0:
        begin = max(0, position - _BLOCK)
        file.seek(begin)
        block = file.read(position - begin)
        at = len(block) - (position == end and block.endswith(b"\n"))
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if missing == 0:
                return begin + at + 1
        position = begin
    return 0
