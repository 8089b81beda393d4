"""A node in namespaces of its own: containerd, kubelet, kube-proxy and DNS, and the network around them.

Processes, mounts, interfaces and packet filter rules live in namespaces that the supervisor is process 1 of; a veth
pair leads to the host. When the supervisor ends, the kernel removes all of it.
"""

import json
import os
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

from hack.cluster import cgroups
from hack.cluster.api import opener
from hack.cluster.binaries import Binaries
from hack.cluster.certificates import Identity
from hack.cluster.control_plane import Addresses, write_kubeconfig
from hack.cluster.layout import Layout
from hack.cluster.link import INTERFACE, Link
from hack.cluster.progress import ClusterError, UnavailableError
from hack.cluster.store import CONTAINERD
from hack.cluster.supervisor import Component, listens
from hack.setup import debian
from hack.setup.debian import Purpose

NAME = "node1"
POD_NETWORK = "10.244.0.0/24"
DNS_ADDRESS = "10.96.0.10"
DNS_PORT = 5353
DNS_READY_PORT = 8181
PAUSE_IMAGE = "localhost/pause:local"

_CNI_PLUGINS = Path("/usr/lib/cni")

KUBELET = Identity("kubelet", f"system:node:{NAME}", "system:nodes")
PROXY = Identity("proxy", "system:kube-proxy")
DNS = Identity("dns", "system:coredns")


def may_run() -> bool:
    """Say whether this user may run a node, once its packages are installed."""
    return sys.platform == "linux" and os.geteuid() == 0


def check() -> None:
    """Check that a node can run here.

    Raises:
        UnavailableError: Something is missing; the sentence says how to get it.
    """
    if not may_run():
        raise UnavailableError("a node needs root (namespaces, mounts, cgroups)")
    debian.check(Purpose.NODE)
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        raise UnavailableError("the kernel has no overlay file system, which containers need: modprobe overlay")
    lacking = cgroups.lacking()
    if lacking:
        raise UnavailableError(
            f"no cgroup controllers {', '.join(sorted(lacking))} under {cgroups.ROOT}: mount them, or run in a "
            "container with --privileged --cgroupns=host"
        )
    probe = subprocess.run(_PROBE, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if probe.returncode:
        raise UnavailableError(
            "the kernel refuses namespaces, veth pairs or packet filters, which a node needs (in a container: "
            f"--privileged): {probe.stderr.strip()}"
        )


def check_path(layout: Layout) -> None:
    """Check that the sockets of containerd and kubelet find room in the kernel's field for their paths.

    Raises:
        ClusterError: They do not; the sentence says what to do.
    """
    longest = len(bytes(layout.root)) + len(_LONGEST_SOCKET)
    if longest > _SOCKET_PATH:
        raise ClusterError(
            f"{layout.root} is {longest - _SOCKET_PATH} characters too long for the Unix sockets of a node: set "
            "XDG_CACHE_HOME to a folder with a shorter path"
        )


_SOCKET_PATH = 107
"""Characters of a Unix socket's path (unix(7)), without the zero at its end."""
_LONGEST_SOCKET = "/kubelet/pod-resources/kubelet.sock"
_PROBE = (
    *("unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "sh", "-ec"),
    "ip link add dgdr0 type veth peer name dgdr1; iptables -t nat -n -L >/dev/null; mount -t tmpfs tmpfs /run",
)
"""Does once, in namespaces that end with it, what a node does that a kernel or a sandbox may refuse."""


def preparation(link: Link) -> tuple[tuple[str, ...], ...]:
    """Return what is done in the namespaces before the components start."""
    private = ("/run", "/var/log", "/var/lib/cni")  # written to by containerd, CNI and kubelet whatever they are told
    commands = (
        "mount --make-rshared /",
        f"mkdir -p {' '.join(private)}",
        *(f"mount -t tmpfs tmpfs {folder}" for folder in private),
        "ip link set lo up",
        f"ip address add {link.node_address}/30 dev {INTERFACE}",
        f"ip link set {INTERFACE} up",
        f"ip route add default via {link.host_address}",
    )
    forward = ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    return (*(tuple(command.split()) for command in commands), forward)


def identities(link: Link) -> tuple[Identity, ...]:
    """Return whose certificates the node needs."""
    serving = Identity("kubelet-serving", f"system:node:{NAME}", "system:nodes", hosts=(NAME, link.node_address))
    return (KUBELET, serving, PROXY, DNS)


def components(layout: Layout, addresses: Addresses, programs: Binaries) -> list[Component]:
    """Write the configuration of the node's components; return them in the order of their start."""
    kubelet = write_kubeconfig(layout, KUBELET, addresses, "kubelet.kubeconfig")
    proxy = write_kubeconfig(layout, PROXY, addresses, "proxy.kubeconfig")
    dns = write_kubeconfig(layout, DNS, addresses, "dns.kubeconfig")
    _write_configuration(layout, dns)
    root = layout.root
    return [
        Component("containerd", ("containerd", "--config", str(root / "containerd.toml"))),
        Component(
            "kube-proxy",
            programs.command(
                "kube-proxy",
                f"--kubeconfig={proxy}",
                "--proxy-mode=iptables",
                f"--cluster-cidr={POD_NETWORK}",
                f"--hostname-override={NAME}",
                # Limits of the host's connection tracking are not ours to set.
                "--conntrack-max-per-core=0",
                "--conntrack-tcp-timeout-established=0",
                "--conntrack-tcp-timeout-close-wait=0",
            ),
        ),
        Component(
            "kubelet",
            programs.command(
                "kubelet",
                f"--config={root / 'kubelet.json'}",
                f"--kubeconfig={kubelet}",
                f"--root-dir={root / 'kubelet'}",
                f"--cert-dir={layout.certificates}",
                f"--hostname-override={NAME}",
                f"--node-ip={addresses.host}",
            ),
            needs=str(serves_pods(root)),
        ),
        # Last, and once it may read: a watch that was forbidden is tried again only after half a minute.
        Component("coredns", programs.command("coredns", "-conf", str(root / "Corefile")), str(bootstrapped(root))),
    ]


def _write_configuration(layout: Layout, dns_kubeconfig: str) -> None:
    root = layout.root
    (root / "containerd.toml").write_text(_containerd(root))
    (root / "cni").mkdir(exist_ok=True)
    (root / "cni" / "10-local.conflist").write_text(json.dumps(_cni(root)))
    (root / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
    (root / "kubelet.json").write_text(json.dumps(_kubelet(layout)))
    (root / "Corefile").write_text(_corefile(dns_kubeconfig))


def _containerd(root: Path) -> str:
    return f"""version = 2
root = "{root}/{CONTAINERD}"
state = "/run/containerd"
[grpc]
  address = "{socket_of(root)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_CNI_PLUGINS}"
    conf_dir = "{root}/cni"
"""


def serves_pods(root: Path) -> Path:
    """Return the file that says that containerd serves pods, for which the kubelet waits.

    containerd accepts connections a moment before that, and a kubelet that starts in that moment ends.
    """
    return root / "containerd.serves-pods"


def containerd_is_ready(layout: Layout) -> bool:
    """Say whether containerd serves pods."""
    log = layout.logs / "containerd.log"
    served = listens(socket_of(layout.root)) and log.exists()
    return served and "Start streaming server" in log.read_text(errors="replace")


def socket_of(root: Path) -> Path:
    """Return containerd's socket: on the disk, not under /run, so that the host sees it."""
    return root / "containerd.sock"


def bootstrapped(root: Path) -> Path:
    """Return the file that says: the objects of a new cluster have been created."""
    return root / "bootstrapped"


def dns_is_ready(link: Link) -> bool:
    """Say whether DNS knows the cluster's Services."""
    try:
        with opener().open(f"http://{link.node_address}:{DNS_READY_PORT}/ready", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _cni(root: Path) -> dict[str, object]:
    """Return the pods' network: each pod a link of its own to the node, so that all traffic is routed by it."""
    ipam = {
        "type": "host-local",
        "dataDir": str(root / "ipam"),
        "ranges": [[{"subnet": POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "local", "plugins": [{"type": "ptp", "ipam": ipam}, ports]}


def _kubelet(layout: Layout) -> dict[str, object]:
    pki = layout.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{socket_of(layout.root)}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-serving.key"),
        "podLogsDir": str(layout.root / "pod-logs"),
        "resolvConf": str(layout.root / "resolv.conf"),
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        # What a container sandbox or an ordinary machine does not offer.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroups.of(layout),
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": False,
    }


def _corefile(kubeconfig: str) -> str:
    return f""".:{DNS_PORT} {{
    errors
    ready :{DNS_READY_PORT}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig "{kubeconfig}"
    }}
    cache 5
}}
"""


def bootstrap(link: Link) -> list[dict[str, object]]:
    """Return the objects that DNS needs: its rights and its Service, which leads to the node itself."""
    reads = [
        {"apiGroups": [""], "resources": ["services", "namespaces", "pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    protocols = (("dns", "UDP"), ("dns-tcp", "TCP"))
    in_system = {"name": "kube-dns", "namespace": "kube-system"}
    return [
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": DNS.common_name}, "rules": reads},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": DNS.common_name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": DNS.common_name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": DNS.common_name}],
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": in_system,
            "spec": {
                "clusterIP": DNS_ADDRESS,
                "ports": [
                    {"name": name, "protocol": protocol, "port": 53, "targetPort": DNS_PORT}
                    for name, protocol in protocols
                ],
            },
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": in_system | {"labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [link.node_address]}],
            "ports": [{"name": name, "protocol": protocol, "port": DNS_PORT} for name, protocol in protocols],
        },
    ]
