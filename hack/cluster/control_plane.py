"""etcd, the API server, the controller manager and the scheduler: their certificates and command lines."""

import json
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import certificates
from hack.cluster.binaries import Binaries
from hack.cluster.certificates import Identity
from hack.cluster.layout import Layout
from hack.cluster.supervisor import Component

SERVICE_NETWORK = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
LOOPBACK = "127.0.0.1"
"""Where a control plane without a node listens."""

CONTROLLER_MANAGER = Identity("controller-manager", "system:kube-controller-manager")
SCHEDULER = Identity("scheduler", "system:kube-scheduler")
ADMIN = Identity("admin", "admin", "system:masters")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the control plane listens.

    Attributes:
        host: Address of the API server.
        api_port: Port of the API server.
        etcd_port: Port of etcd for its client, the API server.
        peer_port: Port of etcd for peers, of which there are none.
    """

    host: str
    api_port: int
    etcd_port: int
    peer_port: int

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.host}:{self.api_port}"


def identities(addresses: Addresses) -> tuple[Identity, ...]:
    """Return whose certificates the control plane needs."""
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    return (
        Identity("apiserver", "kube-apiserver", hosts=(*names, LOOPBACK, API_SERVICE_ADDRESS, addresses.host)),
        Identity("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("etcd", "etcd", hosts=(LOOPBACK, "localhost")),
        CONTROLLER_MANAGER,
        SCHEDULER,
        ADMIN,
    )


def write_kubeconfig(layout: Layout, identity: Identity, addresses: Addresses, file: str) -> str:
    """Write a kubeconfig that holds its certificates, so that it can be copied; return its path."""
    path = layout.root / file
    text = certificates.kubeconfig(layout.certificates, identity, addresses.server, layout.name)
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def api_is_ready(layout: Layout) -> Path:
    """Return the file that says: the API server has been seen ready."""
    return layout.root / "api-is-ready"


def components(layout: Layout, addresses: Addresses, programs: Binaries) -> list[Component]:
    """Return the components in the order of their start."""
    manager = write_kubeconfig(layout, CONTROLLER_MANAGER, addresses, "controller-manager.kubeconfig")
    scheduler = write_kubeconfig(layout, SCHEDULER, addresses, "scheduler.kubeconfig")
    flags = {
        "etcd": _etcd(layout, addresses),
        "kube-apiserver": _api_server(layout, addresses),
        "kube-controller-manager": (*_client(manager), *_controllers(layout)),
        "kube-scheduler": _client(scheduler),
    }
    # The controller manager asks for the API server once at its start and again only after ten seconds.
    needs = {"kube-controller-manager": str(api_is_ready(layout))}
    if not programs.has("kube-controller-manager"):  # nobody makes the service accounts that pods are refused without
        flags["kube-apiserver"] += ("--disable-admission-plugins=ServiceAccount",)
    there = filter(programs.has, flags)
    return [Component(name, programs.command(name, *flags[name]), needs.get(name, "")) for name in there]


def _etcd_url(addresses: Addresses) -> str:
    return f"https://{LOOPBACK}:{addresses.etcd_port}"


def _etcd(layout: Layout, addresses: Addresses) -> tuple[str, ...]:
    pki, url, peer = layout.certificates, _etcd_url(addresses), f"https://{LOOPBACK}:{addresses.peer_port}"
    return (
        f"--data-dir={layout.root / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={pki / 'etcd.crt'}",
        f"--key-file={pki / 'etcd.key'}",
        f"--trusted-ca-file={pki / 'ca.crt'}",
        "--client-cert-auth",
        f"--peer-cert-file={pki / 'etcd.crt'}",
        f"--peer-key-file={pki / 'etcd.key'}",
        f"--peer-trusted-ca-file={pki / 'ca.crt'}",
        "--peer-client-cert-auth",
        "--unsafe-no-fsync",  # a local cluster's data are made again, not saved
    )


def _api_server(layout: Layout, addresses: Addresses) -> tuple[str, ...]:
    pki = layout.certificates
    return (
        f"--bind-address={addresses.host}",
        f"--advertise-address={addresses.host}",
        f"--secure-port={addresses.api_port}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--etcd-servers={_etcd_url(addresses)}",
        f"--etcd-cafile={pki / 'ca.crt'}",
        f"--etcd-certfile={pki / 'etcd.crt'}",
        f"--etcd-keyfile={pki / 'etcd.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # An Endpoints object may not have an address of the loopback network: without a node there is none to write.
        f"--endpoint-reconciler-type={'none' if addresses.host == LOOPBACK else 'lease'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        f"--audit-policy-file={_write_audit_policy(layout)}",
        f"--audit-log-path={audit_log(layout)}",
    )


def audit_log(layout: Layout) -> Path:
    """Return the file with what service accounts outside of kube-system have asked the API server, a line each."""
    return layout.root / "audit.log"


def _write_audit_policy(layout: Layout) -> Path:
    path = layout.root / "audit-policy.json"
    rules = [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ]
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    path.write_text(json.dumps(policy), encoding="utf-8")
    return path


def _client(kubeconfig: str) -> tuple[str, ...]:
    """Return the flags of a component that only talks to the API server and serves nothing itself."""
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--secure-port=0",
        "--leader-elect=false",
    )


def _controllers(layout: Layout) -> tuple[str, ...]:
    pki = layout.certificates
    return (
        "--use-service-account-credentials",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--controllers=*,-node-ipam-controller",
    )
