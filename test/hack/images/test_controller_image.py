import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.layout import CHECKOUT
from hack.images import base, build
from hack.images.inputs import content_hash
from hack.images.machine import this_machine
from hack.images.names import Target
from test.builders.image import Image

pytestmark = pytest.mark.images

SAMPLE = (CHECKOUT / "config/samples/qwen3-32b.yaml").read_text()
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def paths(image: Image) -> list[str]:
    return [f"/{path.relative_to(image.root)}" for path in image.root.rglob("*")]


def test_image_is_named_after_its_content_and_as_the_newest(controller: Image) -> None:
    digest = content_hash(Target.CONTROLLER)
    assert re.fullmatch("[0-9a-f]{12}", digest)
    assert controller.names == [f"localhost/dgdr-controller:{digest}", "localhost/dgdr-controller:dev"]
    assert controller.archive.name == f"dgdr-controller-{digest}.tar"


def test_image_configuration_is_ours_alone(controller: Image) -> None:
    labels = {key: value for key, value in controller.config["Labels"].items() if key.startswith("org.")}
    assert labels == {
        "org.opencontainers.image.title": "dgdr-controller",
        "org.opencontainers.image.version": PROJECT["version"],
        "org.opencontainers.image.licenses": PROJECT["license"],
    }
    assert controller.config["User"] == "1000:1000"
    assert controller.config["Entrypoint"] == ["/opt/dgdr/bin/dumb-init", "--single-child", "/opt/dgdr/bin/dgdr"]
    assert controller.config["WorkingDir"] == "/tmp"  # noqa: S108 - in the image
    assert sorted(controller.config["Env"]) == [
        "HOME=/tmp",
        "PATH=/opt/dgdr/bin",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONSAFEPATH=1",
        "PYTHONUNBUFFERED=1",
    ]
    told = {key for key, value in controller.config.items() if value}
    assert told == {"User", "Env", "Entrypoint", "WorkingDir", "Labels"}


def test_image_has_no_shell_no_packages_and_no_installer(controller: Image) -> None:
    programs = [path for path in paths(controller) if re.search(r"/s?bin/[^/]+$", path)]
    assert all(
        re.search(
            r"/bin/(python3?(\.\d+)?|dgdr|kubectl-dgdr|kubectl_complete-dgdr|dumb-init|[Aa]ctivate[.\w]*|cffi-gen-src|dotenv|idna|pygmentize|markdown-it|normalizer)$",
            p,
        )
        for p in programs
    )
    assert "/opt/dgdr/bin/dgdr" in programs
    unwanted = (
        r"/(pip|setuptools|wheel|hatchling|ensurepip|apt|tests?|idlelib|tkinter)(-[^/]*)?$|\.(whl|a|h|c|pyx|pxd)$"
    )
    assert [path for path in paths(controller) if re.search(unwanted, path)] == []
    size = sum(path.lstat().st_size for path in controller.root.rglob("*") if path.is_file())
    assert size < 120 * 2**20, f"{size / 2**20:.0f} MiB"


def test_image_may_be_changed_by_root_alone(controller: Image) -> None:
    for path in controller.root.rglob("*"):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == (0, 0), path
        assert path.is_symlink() or not found.st_mode & 0o6000, path
        assert path.is_symlink() or not found.st_mode & 0o022 or path == controller.root / "tmp", path
    assert (controller.root / "tmp").stat().st_mode & 0o7777 == 0o1777


def test_links_lead_somewhere(controller: Image) -> None:
    links = [path for path in controller.root.rglob("*") if path.is_symlink()]
    assert len(links) > 5
    for link in links:
        target = Path(os.path.normpath(link.parent / link.readlink())) if not link.readlink().is_absolute() else None
        assert (target or controller.root / link.readlink().relative_to("/")).exists(), link


def test_image_holds_nothing_of_the_machine_that_built_it(controller: Image) -> None:
    machine = this_machine()
    # What a shorter word than this is called may well be in some file.
    words = {CHECKOUT, Path.home() / ".cache", socket.gethostname(), *machine.pip.values(), *machine.folders}
    words |= {os.environ[name] for name in machine.proxies} | {base.source().mirror.rstrip("/")}
    words |= {"/run/secrets/pip.conf", "/run/secrets/ca.crt"}
    wanted = {str(word).encode() for word in words if len(str(word)) > 5}
    for path in Path("/usr/local/share/ca-certificates").rglob("*.crt"):
        wanted.add(path.read_bytes().split(b"-----")[2].strip().splitlines()[3])
    assert len(wanted) >= 3
    files = {path: path.read_bytes() for path in controller.root.rglob("*") if path.is_file() and not path.is_symlink()}
    for text in wanted:
        assert [str(path) for path, content in files.items() if text in content] == []
        assert text.decode() not in controller.history
        assert text.decode() not in str(controller.config)


def test_image_says_its_version_and_its_use(controller: Image) -> None:
    assert controller.run("--version") == (0, f"dgdr, version {PROJECT['version']}\n")
    code, printed = controller.run("--help")
    assert code == 0
    assert printed.startswith("Usage: dgdr ")


def test_image_judges_requests(controller: Image) -> None:
    assert controller.run("validate", "-f", "-", given=SAMPLE)[0] == 0
    code, printed = controller.run("validate", "-f", "-", given=SAMPLE.replace("totalGpus: 8", "totalGpus: -8"))
    assert code == 65
    assert "spec.hardware.totalGpus" in printed


def test_image_runs_as_an_unprivileged_user_on_a_read_only_root(controller: Image) -> None:
    program = (
        "import os, pathlib, getpass\n"
        "print(os.getuid(), os.getgid(), getpass.getuser(), pathlib.Path.home())\n"
        "pathlib.Path('/tmp/x').touch()\n"
        "for path in ('/opt/dgdr/x', '/etc/x'):\n"
        "    try: pathlib.Path(path).touch()\n"
        "    except OSError as error: print(path, error.strerror)\n"
    )
    code, printed = controller.run("-c", program, entrypoint=["/opt/dgdr/bin/python"])
    assert printed.splitlines() == [
        "1000 1000 dgdr /tmp",
        "/opt/dgdr/x Read-only file system",
        "/etc/x Read-only file system",
    ]
    assert code == 0


def test_python_can_be_imported_whole_and_certificates_are_verified(controller: Image) -> None:
    program = (
        "import pkgutil, importlib, ssl, sys\n"
        "for name in ('bz2', 'ctypes', 'lzma', 'sqlite3', 'zlib', 'uuid', 'readline', 'asyncio', 'decimal', 'hashlib',\n"
        "             'multiprocessing.pool', 'concurrent.futures', 'zoneinfo', 'urllib.request', 'http.client'):\n"
        "    importlib.import_module(name)\n"
        "import dgdr_api, dgdr_controller\n"
        "for package in (dgdr_api, dgdr_controller):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        try:\n"
        "            module.name.endswith('__main__') or importlib.import_module(module.name)\n"
        "        except ModuleNotFoundError as error:\n"
        "            print(module.name.rpartition('.')[2], 'needs', error.name)\n"
        "print(len(ssl.create_default_context().get_ca_certs()) > 100, sum(name.startswith('dgdr_') for name in sys.modules) > 40)\n"
    )
    code, printed = controller.run("-c", program, entrypoint=["/opt/dgdr/bin/python"])
    # What runs in the profiler alone, and what the kubectl plugin logs in with.
    numbers = (
        "raw_data",
        "estimate_errors",
        "trial_search",
        "corrections",
        "pairing",
        "replicas",
        "search",
        "thorough",
    )
    lacking = ["connection needs httpx", "plots needs matplotlib", *(f"{module} needs numpy" for module in numbers)]
    assert (code, printed.splitlines()) == (0, [*lacking, "True True"])


def test_image_tells_its_packages_and_their_licences(controller: Image) -> None:
    told = list((controller.root / "var/lib/dpkg/status.d").iterdir())
    assert {"libc6", "libssl3"} <= {path.name.removesuffix("t64") for path in told}
    for path in told:
        assert re.search(r"^Version: \S+$", path.read_text(), re.MULTILINE)
        assert (controller.root / "usr/share/doc" / path.name / "copyright").exists(), path.name


def test_every_module_has_bytecode_that_is_used_as_it_is(controller: Image) -> None:
    sources = list((controller.root / "opt/dgdr").rglob("*.py"))
    assert len(sources) > 300
    for source in sources:
        (compiled,) = source.parent.glob(f"__pycache__/{source.stem}.cpython-*.pyc")
        assert compiled.read_bytes()[4:8] == b"\1\0\0\0", compiled  # by hash, and unchecked (PEP 552)


def test_second_build_finds_the_first(controller: Image) -> None:
    before = controller.archive.stat().st_ino
    made = subprocess.run(
        [sys.executable, "-m", "hack.images", "build", "controller"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (made.stdout, made.stderr) == (f"{controller.archive}\n", "")
    assert build.build(Target.CONTROLLER).stat().st_ino == before


def test_signal_ends_a_program_that_does_not_listen_yet(controller: Image) -> None:
    """As process 1 it would never see it; a pod that is deleted at once would live on for its ten minutes of grace."""
    *init, program = controller.config["Entrypoint"]
    assert program == "/opt/dgdr/bin/dgdr"
    process = controller.start(*init, "/opt/dgdr/bin/python", "-c", "import time; time.sleep(60)")
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        first = until(lambda: next(iter(children.read_text().split()), ""))
        inside = Path(f"/proc/{first}/task/{first}/children")
        until(lambda: Path(f"/proc/{first}/cmdline").read_bytes().startswith(b"/opt/dgdr/bin/") and inside.read_text())
        os.kill(int(first), signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()


def until(found: Callable[[], Any]) -> Any:
    limit = time.monotonic() + 20
    while not (value := found()):
        assert time.monotonic() < limit
        time.sleep(0.01)
    return value
