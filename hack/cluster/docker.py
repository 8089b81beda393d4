"""Docker, where there is one."""

import functools
import shutil
import subprocess

_ANSWERS_S = 20


@functools.cache
def answers() -> bool:
    """Say whether there is a daemon behind the docker command."""
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=_ANSWERS_S, check=False).returncode == 0  # noqa: S607 - looked for above
    except subprocess.TimeoutExpired:
        return False
