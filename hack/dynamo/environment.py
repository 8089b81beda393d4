"""Dynamo as a Python environment of this machine, for virtual nodes: what the image has, without the image."""

from pathlib import Path

from hack.images.names import MOVING_TAG, Target, image
from hack.setup.environment import tool
from hack.virtual_kubelet import programs


def prepare() -> Path:
    """Make the environment, once for this machine; return its interpreter.

    Raises:
        ClusterError: The packages cannot be fetched.
    """
    return tool("dynamo")


def offer(root: Path) -> None:
    """Let the image of Dynamo run on a virtual node: make its environment, and add it to the program table.

    Args:
        root: The cluster's folder.

    Raises:
        ClusterError: The packages cannot be fetched.
    """
    python = prepare()
    name = programs.image_name(image(Target.DYNAMO, MOVING_TAG))
    programs.offer(root, {name: programs.python_program(python.parent, "python3")})
