"""The network between host and node: a veth pair for each cluster."""

import subprocess
import zlib
from dataclasses import dataclass

from hack.cluster.layout import Layout
from hack.cluster.progress import ClusterError

INTERFACE = "eth0"
"""The node's end of the pair."""
_LINKS = 16_384
"""Networks of four addresses in 10.213.0.0/16."""


@dataclass(frozen=True, slots=True)
class Link:
    """The veth pair between host and node: one /30 network for each cluster.

    Attributes:
        number: Which of the networks, from 0.
    """

    number: int

    @property
    def host(self) -> str:
        """Name of the host's end."""
        return f"dgdr{self.number}"

    def _address(self, last: int) -> str:
        offset = self.number * 4 + last
        return f"10.213.{offset // 256}.{offset % 256}"

    @property
    def host_address(self) -> str:
        """Address of the host's end."""
        return self._address(1)

    @property
    def node_address(self) -> str:
        """Address of the node."""
        return self._address(2)

    def connect(self, process: int) -> None:
        """Create the pair, one end in the network namespace of a process.

        Raises:
            ClusterError: The kernel refuses it, or somebody has taken the name meanwhile.
        """
        for command in (
            f"ip link add {self.host} type veth peer name {INTERFACE} netns {process}",
            f"ip address add {self.host_address}/30 dev {self.host}",
            f"ip link set {self.host} up",
        ):
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)  # noqa: S603 - our own words
            if done.returncode:
                raise ClusterError(f"`{command}` failed: {done.stderr.strip()}; try again")


def free_link(layout: Layout) -> Link:
    """Return a pair that is not taken; clusters that start at the same time begin to look in different places."""
    taken = {line.split()[1].partition("@")[0].rstrip(":") for line in _links()}
    first = zlib.crc32(layout.name.encode())
    candidates = (Link((first + step) % _LINKS) for step in range(_LINKS))
    return next(link for link in candidates if link.host not in taken)


def _links() -> list[str]:
    return subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S607 - checked above
