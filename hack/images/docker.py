"""Images built by a Docker daemon, from the Dockerfile's own base image."""

import re
from pathlib import Path

from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import Task
from hack.images import stages
from hack.images.machine import Machine
from hack.images.names import Target, images
from hack.images.programs import Runner

_STEP = re.compile(r"#\d+ \[\S+ +\d+/\d+\] (.*)")


class Docker:
    """Builds with Docker."""

    name = "Docker"

    def __init__(self, lock: int) -> None:
        self._runner = Runner(lock, {"DOCKER_BUILDKIT": "1"})

    def build(self, target: Target, digest: str, machine: Machine, archive: Path, task: Task) -> None:
        """Build an image into an archive.

        Raises:
            ClusterError: It cannot be built.
        """
        names = images(target, digest)
        task.unit = "build steps"
        task.total = stages.steps((CHECKOUT / "Dockerfile").read_text(), target)
        with machine.without_folders().secrets() as secrets:
            self._runner.run(
                *("docker", "build", "--target", target),
                *(f"--tag={name}" for name in names),
                *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
                *(f"--build-arg={name}" for name in machine.proxies),  # of these, Docker keeps nothing in the image
                *("--progress=plain", str(CHECKOUT)),
                on_line=lambda line: _count(task, line),
            )
        self._runner.run("docker", "save", "--output", str(archive), *names)


def _count(task: Task, line: str) -> None:
    """Count the steps of the Dockerfile, which BuildKit announces: ``#12 [profiler-env 2/3] COPY ...``."""
    if found := _STEP.match(line):
        task.advance(found[1])
