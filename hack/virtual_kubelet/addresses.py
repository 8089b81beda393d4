"""Addresses of pods: all of 127.0.0.0/8 is this machine's own on Linux, so each pod can have one without any set-up."""

import ipaddress
import zlib
from collections.abc import Set as AbstractSet

_FIRST = int(ipaddress.IPv4Address("127.64.0.0"))
_BLOCKS, _BLOCK = 4096, 1024
"""127.64.0.0/10, in parts for clusters that run side by side."""

HOST = "127.0.0.1"


def free_address(cluster: str, used: AbstractSet[str], last: str = "") -> str:
    """Return an address that no pod of a cluster has.

    Args:
        cluster: Name of the cluster.
        used: Addresses of its pods.
        last: The address that was given out last: the next ones are tried first.
    """
    base = _FIRST + zlib.crc32(cluster.encode()) % _BLOCKS * _BLOCK
    begin = int(ipaddress.IPv4Address(last)) - base if last else 0
    candidates = (str(ipaddress.IPv4Address(base + (begin + step) % _BLOCK)) for step in range(1, _BLOCK + 1))
    return next(address for address in candidates if address not in used)
