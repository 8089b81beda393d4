"""``python -m hack.engines [check]``: write what the programs' parsers know, or say which files are stale (exit 1)."""

import sys

from hack.engines import known
from hack.engines.ask import answer
from hack.engines.programs import PROGRAMS
from hack.engines.wheels import EngineError


def main(arguments: list[str]) -> int:
    """Write or compare."""
    try:
        texts = {known.path(program.module): known.text(program, answer(program.module)) for program in PROGRAMS}
    except EngineError as error:
        print(f"The engines' parsers cannot be asked: {error}", file=sys.stderr)
        return 1
    if arguments == ["check"]:
        stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in stale:
            print(f"{path.name} is stale: run 'make engine-flags'")
        return 1 if stale else 0
    known.FOLDER.mkdir(exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
