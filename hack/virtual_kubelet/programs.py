"""Which programs of this machine stand for which images: a table in the cluster's folder.

The table takes the place of an image store. An image that is not in it cannot run on a virtual node.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hack.cluster.node import PAUSE_IMAGE
from hack.images.names import MOVING_TAG, Target, image

_PYTHON = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
_PAUSE = 'trap "exit 0" TERM INT; sleep infinity & wait'


@dataclass(frozen=True, slots=True)
class Program:
    """What runs in place of an image.

    Attributes:
        entrypoint: What a container runs that names no command.
        bin: Folder of its programs, first in PATH; empty: only the system's.
        image_bin: Where the image has that folder, for commands that name programs by their path.
        environment: Variables that the image sets.
    """

    entrypoint: tuple[str, ...]
    bin: str = ""
    image_bin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def python_program(folder: Path, entrypoint: str) -> Program:
    """Return a program of a Python environment, laid out as in the project's images.

    Args:
        folder: The environment's folder of programs.
        entrypoint: Name of the program in it.
    """
    return Program((str(folder / entrypoint),), str(folder), "/opt/dgdr/bin", _PYTHON)


def of_this_checkout() -> dict[str, Program]:
    """Return the programs that every cluster of this checkout has, by the names of their images."""
    own = python_program(Path(sys.prefix) / "bin", "dgdr")
    names = (image_name(image(target, MOVING_TAG)) for target in (Target.CONTROLLER, Target.PROFILER))
    return dict.fromkeys(names, own) | {image_name(PAUSE_IMAGE): Program(("sh", "-c", _PAUSE))}


def image_name(reference: str) -> str:
    """Return an image reference without its tag and digest."""
    name = reference.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def table(root: Path) -> Path:
    """Return the file of a cluster's table."""
    return root / "programs.json"


def read(root: Path) -> dict[str, Program]:
    """Return a cluster's table by the names of images without tags; empty when there is none."""
    if not table(root).exists():
        return {}
    entries = json.loads(table(root).read_text())
    return {name: Program(**entry | {"entrypoint": tuple(entry["entrypoint"])}) for name, entry in entries.items()}


def offer(root: Path, programs: Mapping[str, Program]) -> None:
    """Add programs to a cluster's table, or replace them; containers that start from now on find them."""
    entries = {name: asdict(program) for name, program in (read(root) | dict(programs)).items()}
    part = table(root).with_suffix(".part")
    part.write_text(json.dumps(entries, indent=1))
    part.replace(table(root))
