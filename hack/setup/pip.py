"""How pip reaches packages on this machine, for programs that do not read its configuration."""

import ast
import os
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

REACH = frozenset(
    ("index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "proxy", "timeout", "default-timeout")
)
"""pip's settings that say where packages come from; the others are the user's taste."""

_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
}
"""uv's variable for those of pip's settings that mean the same, word for word."""
_SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def settings(python: Path) -> dict[str, str]:
    """Return pip's settings for ``pip install`` from its files and the environment, nearer ones first.

    Args:
        python: An interpreter that has pip.
    """
    # -v, because a setting that quiets pip would quiet this.
    command = [str(python), "-m", "pip", "-v", "config", "list"]
    return parsed(subprocess.run(command, capture_output=True, text=True, check=False).stdout)  # noqa: S603 - our words


def parsed(listed: str) -> dict[str, str]:
    """Return the settings for ``pip install`` from what ``pip config list`` prints; nearer ones win."""
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        rank = ranks.get(section, -1)
        if rank >= 0 and (key not in found or rank >= found[key][0]):
            found[key] = (rank, " ".join(str(ast.literal_eval(value)).split()))
    return {key: value for key, (_, value) in found.items()}


def authorities(configured: Mapping[str, str]) -> Path | None:
    """Return the file with the certificate authorities that are trusted here, if there is one."""
    path = Path(configured.get("cert") or ssl.get_default_verify_paths().cafile or _SYSTEM_AUTHORITIES)
    return path if path.is_file() else None


def for_uv(configured: Mapping[str, str], present: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return pip's settings as environment variables of uv; what is set for uv itself holds.

    Args:
        configured: pip's settings.
        present: The environment that uv runs in.
    """
    found = {_UV[key]: value for key, value in configured.items() if key in _UV}
    if proxy := configured.get("proxy"):
        found |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    # pip ignores a folder that is not there, and separates links by spaces; for uv that is an error, and by commas.
    links = [link for link in configured.get("find-links", "").split() if "://" in link or Path(link).exists()]
    if links:
        found |= {"UV_FIND_LINKS": ",".join(links)}
    if configured.get("no-index"):
        found |= {"UV_NO_INDEX": "1"}
    return {name: value for name, value in found.items() if name not in present}
