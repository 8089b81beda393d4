"""Images built by a Docker daemon, from the Dockerfile's own base image."""

from pathlib import Path

from hack.cluster.layout import CHECKOUT
from hack.images.machine import Machine
from hack.images.names import Target, images
from hack.images.programs import Runner


class Docker:
    """Builds with Docker."""

    name = "Docker"

    def __init__(self, lock: int) -> None:
        self._runner = Runner(lock, {"DOCKER_BUILDKIT": "1"})

    def build(self, target: Target, digest: str, machine: Machine, archive: Path) -> None:
        """Build an image into an archive.

        Raises:
            ClusterError: It cannot be built.
        """
        names = images(target, digest)
        with machine.secrets() as secrets:
            self._runner.run(
                *("docker", "build", "--target", target),
                *(f"--tag={name}" for name in names),
                *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
                *(f"--build-arg={name}" for name in machine.proxies),  # of these, Docker keeps nothing in the image
                str(CHECKOUT),
            )
        self._runner.run("docker", "save", "--output", str(archive), *names)
