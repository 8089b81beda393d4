"""``python -m hack.locks [record]``: say what is wrong with the locks (exit 1), or write what they are judged by."""

import sys

from hack.cluster.layout import CHECKOUT
from hack.locks.check import problems
from hack.locks.files import LockError
from hack.locks.record import record


def main(arguments: list[str]) -> int:
    """Check or record."""
    try:
        if arguments == ["record"]:
            record(CHECKOUT)
        found = problems(CHECKOUT)
    except (LockError, OSError) as error:
        found = [str(error)]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
