"""Where the API server is and who asks: from a pod's service account, or from a kubeconfig."""

import base64
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dgdr_controller.runtime.errors import ConfigError
from dgdr_controller.runtime.tls import load_certificate

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_LIFE_S = 60.0
"""How long a token that was read counts as fresh; the kubelet replaces it at 80 % of its life, an hour usually."""


class TokenFile:
    """A bearer token in a file that somebody else renews.

    Args:
        path: The file.
        clock: Seconds that never go back.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._token = ""
        self._fresh_until = float("-inf")

    def read(self) -> str:
        """Return the token, at most a minute old; the last one as long as the file cannot be read."""
        if self._clock() >= self._fresh_until:
            try:
                self._token = self._path.read_text().strip()
            except OSError as error:
                if not self._token:
                    raise ConfigError(f"{self._path}: {error.strerror or error}") from error
            self._fresh_until = self._clock() + _TOKEN_LIFE_S
        return self._token

    def expire(self) -> None:
        """Read the file again the next time: the server did not take the token."""
        self._fresh_until = float("-inf")


@dataclass(frozen=True)
class Config:
    """How to reach an API server.

    Attributes:
        server: Its URL, without a slash at the end.
        tls: How it is verified and, with a client certificate, who asks; None for plain HTTP (tests).
        token: Who asks, with a bearer token.
        namespace: The namespace of the pod or of the kubeconfig's context.
    """

    server: str
    tls: ssl.SSLContext | None = None
    token: TokenFile | str | None = None
    namespace: str = "default"

    @classmethod
    def load(cls, context: str | None = None) -> "Config":
        """Return what the environment offers: ``KUBECONFIG``, else a pod's service account, else ``~/.kube/config``.

        Raises:
            ConfigError: There is none, or it cannot be used; the message says what is missing.
        """
        if named := os.environ.get("KUBECONFIG"):
            return cls.from_kubeconfig(Path(named), context)
        if "KUBERNETES_SERVICE_HOST" in os.environ and context is None:
            return cls.in_cluster()
        default = Path.home() / ".kube" / "config"
        if default.exists():
            return cls.from_kubeconfig(default, context)
        raise ConfigError("no API server is configured: set KUBECONFIG, or run in a pod with a service account")

    @classmethod
    def in_cluster(cls, folder: Path = _SERVICE_ACCOUNT) -> "Config":
        """Return the access of a pod's service account; its token is read again every minute.

        Raises:
            ConfigError: This is no pod, or its token is not mounted.
        """
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise ConfigError("not running in a pod: KUBERNETES_SERVICE_HOST is not set")
        token = TokenFile(folder / "token")
        token.read()
        try:
            tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
            namespace = (folder / "namespace").read_text().strip()
        except OSError as error:
            raise ConfigError(f"{folder}: {error.strerror or error}") from error
        return cls(f"https://{f'[{host}]' if ':' in host else host}:{port}", tls, token, namespace)

    @classmethod
    def from_kubeconfig(cls, path: Path, context: str | None = None) -> "Config":
        """Return the access of a context: by default the current one.

        Raises:
            ConfigError: The file cannot be read, a name in it is missing, or its user logs in with a program.
        """
        try:
            document = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {error}") from error
        try:
            chosen = context or document["current-context"]
            names = _named(document["contexts"], chosen)["context"]
            cluster = _named(document["clusters"], names["cluster"])["cluster"]
            user = _named(document["users"], names["user"]).get("user") or {} if names.get("user") else {}
            server = cluster["server"].rstrip("/")
        except (KeyError, TypeError, StopIteration) as error:
            raise ConfigError(f"{path}: incomplete: {error}") from error
        if program := next((word for word in ("exec", "auth-provider") if word in user), None):
            raise ConfigError(
                f"{path}: user {names['user']} logs in with {program}, which is not supported: use a client "
                "certificate or a token (kubectl create token SERVICEACCOUNT)"
            )
        try:
            tls = _tls(path.parent, cluster, user) if server.startswith("https:") else None
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise ConfigError(f"{path}: certificates of {names['cluster']} or {names.get('user')}: {error}") from error
        return cls(server, tls, _token(path.parent, user), names.get("namespace") or "default")

    def authorization(self) -> str | None:
        """Return the header that says who asks.

        Raises:
            ConfigError: The token's file cannot be read, and never could.
        """
        token = self.token.read() if isinstance(self.token, TokenFile) else self.token
        return f"Bearer {token}" if token else None


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in items:
        if item["name"] == name:
            return item
    raise KeyError(f"nothing is named {name}")


def _token(folder: Path, user: dict[str, Any]) -> TokenFile | str | None:
    if user.get("token"):
        return str(user["token"])
    return TokenFile(folder / user["tokenFile"]) if user.get("tokenFile") else None


def _tls(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _content(folder, cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = _content(folder, user, "client-certificate"), _content(folder, user, "client-key")
    if certificate and key:
        load_certificate(tls, certificate, key)
    return tls


def _content(folder: Path, section: dict[str, Any], name: str) -> bytes | None:
    """Return what a kubeconfig says inline or in a file, whose path counts from the kubeconfig's folder."""
    if inline := section.get(f"{name}-data"):
        return base64.b64decode(inline)
    return (folder / section[name]).read_bytes() if section.get(name) else None
