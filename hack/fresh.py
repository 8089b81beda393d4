"""``make fresh``: both commands of the README in a bare Debian, with an empty home and without any cache.

A Debian with git, make and Python alone is made by debootstrap; in it the commands run in mounts and processes of their
own, as root and as an ordinary user, on a fresh clone of what is committed. What this machine says of its package
registries (certificate authorities, proxies, names of indexes) is all that is carried over.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from hack.cluster.children import finish, start
from hack.cluster.layout import CHECKOUT, cache
from hack.cluster.program import run
from hack.cluster.progress import ClusterError, duration, say, step
from hack.images import base
from hack.setup import debian, pip
from hack.setup.debian import Purpose

_PACKAGES = ("ca-certificates", "git", "make", "python3")
_FOR_USERS = ("python3-venv",)
"""What an ordinary user has to have installed, as the README says; root's commands install it."""
_CARRIED = re.compile(
    r"(?i)(.*_proxy|SSL_CERT_(FILE|DIR)|.*_CA_BUNDLE|PIP_CERT|NODE_EXTRA_CA_CERTS|GOPROXY|GONOSUMDB|UV_.*INDEX.*)"
)
_FILES = ("/etc/resolv.conf", "/etc/hosts")
_AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"

_ENTER = """
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cd "$root"
mkdir -p .old
pivot_root . .old
umount --lazy /.old
exec "$@"
"""
"""Makes a folder the root of mounts of its own and runs a command there, as on a machine that has nothing else."""


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """Who runs the commands.

    Attributes:
        name: root or user.
        home: The home directory, empty at first.
        prefix: What is put before a command to run it as this account.
    """

    name: str
    home: str
    prefix: tuple[str, ...] = ()


ROOT = Account("root", "/root")
USER = Account(
    "user",
    "/home/user",
    ("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        account: Who ran it.
        command: The command.
        code: Its exit code.
        seconds: How long it took.
        last: The last line that says something.
    """

    account: str
    command: str
    code: int
    seconds: float
    last: str


@click.command()
@click.option("--as", "names", multiple=True, type=click.Choice(["root", "user"]), help="As whom; default: both.")
@click.option(
    "--command", "commands", multiple=True, metavar="TARGET", help="Make's targets; default: demo, then test."
)
@click.option("--keep", is_flag=True, help="Keep the Debian, to look at it.")
def fresh(names: tuple[str, ...], commands: tuple[str, ...], *, keep: bool) -> None:
    """Run the README's commands in a bare Debian and print the times."""
    if os.geteuid() != 0:
        raise ClusterError("a bare Debian needs root for debootstrap and mounts: run the command as root")
    debian.install(Purpose.IMAGES)
    debian.check(Purpose.IMAGES)
    accounts = [account for account in (ROOT, USER) if account.name in (names or ("root", "user"))]
    outcomes = [
        outcome for account in accounts for outcome in _run_all(account, commands or ("demo", "test"), keep=keep)
    ]
    for outcome in outcomes:
        ran = f"{outcome.account:5} make {outcome.command:10} exit {outcome.code}"
        say(f"{ran}  {duration(outcome.seconds):>14}  {outcome.last}")
    sys.exit(any(outcome.code for outcome in outcomes))


def _run_all(account: Account, commands: tuple[str, ...], *, keep: bool) -> Iterator[Outcome]:
    """Run commands one after the other: the first one cold, the others with what it has left."""
    with _debian(account, keep=keep) as root:
        clone = f"{account.home}/dgdr-controller"
        for command in commands:
            yield _timed(root, account, command, clone)
            if command == "demo":  # and again, warm, in a clone of its own
                _inside(root, account, f"cd {clone} && make demo-down")
                yield _timed(root, account, command, f"{clone}-2")
                _inside(root, account, f"cd {clone}-2 && make demo-down")


def _timed(root: Path, account: Account, command: str, clone: str) -> Outcome:
    """Run a target of make in a clone, made first where there is none; its time is in the command's."""
    say(f"\n=== {account.name}: make {command}, in {clone}")
    begun = time.monotonic()
    got = f"{{ test -d {clone} || git clone --quiet /source.bundle {clone} -b main; }}"
    code, printed = _inside(root, account, f"{got} && cd {clone} && make {command}")
    lines = [line for line in printed.splitlines() if line.strip()]
    summary = next((line for line in reversed(lines) if re.search(r"\d+ passed", line)), lines[-1] if lines else "")
    return Outcome(account.name, command, code, time.monotonic() - begun, summary.strip("= "))


def _inside(root: Path, account: Account, script: str) -> tuple[int, str]:
    """Run a shell script in the Debian; what it prints is shown as it comes."""
    command = (
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "enter", str(root)),
        *(*account.prefix, "sh", "-c", script),
    )
    process = start(command, _environment(account, os.environ), stderr=subprocess.STDOUT)
    printed, _ = finish(process, lambda line: say(line.rstrip()))
    return process.returncode, printed


def _environment(account: Account, ours: Mapping[str, str]) -> dict[str, str]:
    """Return what a login would set, and what leads to the package registries."""
    carried = {name: value for name, value in ours.items() if _CARRIED.fullmatch(name)}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return carried | {"HOME": account.home, "USER": account.name, "PATH": path, "LANG": "C.UTF-8"}


@contextmanager
def _debian(account: Account, *, keep: bool) -> Iterator[Path]:
    """Make a Debian for an account, with a bundle of what is committed here."""
    parent = cache() / "fresh"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=f"{account.name}-"))
    folder.chmod(0o755)  # it becomes the root of everybody
    try:
        packages = (*_PACKAGES, *(_FOR_USERS if account is USER else ()))
        with step(f"Making a bare Debian with {' '.join(packages)}"):
            _make(folder, packages)
        home = folder / account.home.lstrip("/")
        home.mkdir(parents=True, exist_ok=True)
        if account is USER:
            os.chown(home, 1000, 1000)
        yield folder
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


def _make(folder: Path, packages: tuple[str, ...]) -> None:
    origin = base.source()
    _run(
        "debootstrap", "--variant=minbase", f"--include={','.join(packages)}", origin.suite, str(folder), origin.mirror
    )
    for file in _FILES:
        shutil.copy2(file, folder / file.lstrip("/"))
    sources = folder / "etc" / "apt" / "sources.list"
    sources.write_text(f"deb {origin.mirror} {origin.suite} main\ndeb {origin.mirror} {origin.suite}-updates main\n")
    pip_settings = pip.settings(Path(sys.executable))
    if (authorities := pip.authorities(pip_settings)) is not None:
        shutil.copy2(authorities, folder / _AUTHORITIES)
    reach = {key: value for key, value in pip_settings.items() if key in pip.REACH - {"find-links"}}
    lines = "".join(f"{key} = {value}\n" for key, value in reach.items())
    (folder / "etc" / "pip.conf").write_text(f"[global]\n{lines}")
    with (folder / "etc" / "passwd").open("a") as accounts:
        accounts.write("user:x:1000:1000::/home/user:/bin/sh\n")
    _run("git", "-C", str(CHECKOUT), "bundle", "create", "--quiet", str(folder / "source.bundle"), "main", "HEAD")
    (folder / "source.bundle").chmod(0o644)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our words
    if done.returncode:
        raise ClusterError(f"{command[0]} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    run(lambda: fresh.main(standalone_mode=False))


if __name__ == "__main__":
    main()
