"""The virtual kubelet as a component of a cluster."""

import json
import sys
from pathlib import Path

from hack.cluster import control_plane
from hack.cluster.certificates import Identity
from hack.cluster.control_plane import Addresses, write_kubeconfig
from hack.cluster.layout import Layout
from hack.cluster.node import KUBELET, NAME
from hack.cluster.supervisor import Component
from hack.virtual_kubelet import programs
from hack.virtual_kubelet.addresses import HOST

COMPONENT = "virtual-kubelet"


def identities() -> tuple[Identity, ...]:
    """Return whose certificates the virtual kubelet needs."""
    serving = Identity("kubelet-serving", KUBELET.common_name, KUBELET.organization, hosts=(NAME, HOST))
    return (KUBELET, serving)


def component(layout: Layout, addresses: Addresses, port: int) -> Component:
    """Write the virtual kubelet's configuration and program table; return how the supervisor runs it.

    Args:
        layout: The cluster's files.
        addresses: Where the control plane listens.
        port: Free port of 127.0.0.1 for the kubelet's server.
    """
    write_kubeconfig(layout, KUBELET, addresses, kubeconfig(layout).name)
    settings(layout).write_text(json.dumps({"port": port}))
    programs.offer(layout.root, programs.of_this_checkout())
    command = (sys.executable, "-m", "hack.virtual_kubelet", str(layout.root))
    return Component(COMPONENT, command, str(control_plane.api_is_ready(layout)))


def kubeconfig(layout: Layout) -> Path:
    """Return the kubeconfig of the virtual kubelet: it has the rights of a node."""
    return layout.root / f"{COMPONENT}.kubeconfig"


def settings(layout: Layout) -> Path:
    """Return the file with what else the virtual kubelet is told."""
    return layout.root / f"{COMPONENT}.json"
