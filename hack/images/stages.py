"""The stages of the Dockerfile, as far as showing progress needs them."""

import re
from dataclasses import dataclass, field


@dataclass
class _Stage:
    steps: int = 0
    needs: set[str] = field(default_factory=set)


def steps(dockerfile: str, target: str) -> int:
    """Return how many steps a build of a target has: those of its stage and of the stages that it needs.

    Args:
        dockerfile: Text of the Dockerfile.
        target: Name of a stage.
    """
    stages, current = {}, _Stage()
    for line in re.sub(r"\\\n", " ", dockerfile).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "FROM":
            current = stages[words[-1]] = _Stage(needs={words[1]})
        current.steps += 1
        current.needs |= {word.removeprefix("--from=") for word in words if word.startswith("--from=")}
    wanted, found = {target}, set[str]()
    while wanted:
        found.add(name := wanted.pop())
        wanted |= {need for need in stages[name].needs if need in stages} - found
    return sum(stages[name].steps for name in found)
