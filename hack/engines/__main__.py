"""``python -m hack.engines [check] [RELEASE …]``: write what the programs' parsers know, or say which files are stale.

Of all releases, or of those that are named. Exit code 1: a file is stale, or a parser cannot be asked.
"""

import sys
from pathlib import Path

from hack.engines import known
from hack.engines.ask import answer
from hack.engines.programs import programs
from hack.engines.wheels import RELEASES, EngineError


def main(arguments: list[str]) -> int:
    """Write or compare."""
    check = arguments[:1] == ["check"]
    named = arguments[1:] if check else arguments
    for release in named:
        if release not in RELEASES:
            print(f"No wheels of Dynamo {release} are named in hack/engines/wheels.py", file=sys.stderr)
            return 1
    try:
        texts = dict(text for release in named or RELEASES for text in _texts(release).items())
    except EngineError as error:
        print(f"The engines' parsers cannot be asked: {error}", file=sys.stderr)
        return 1
    if check:
        stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in stale:
            print(f"{path.relative_to(known.FOLDER)} is stale: run 'make engine-flags'")
        return 1 if stale else 0
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def _texts(release: str) -> dict[Path, str]:
    """Return the content of the files of a release."""
    return {
        known.path(program.module, release): known.text(program, answer(program.module, release=release))
        for program in programs(RELEASES[release])
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
