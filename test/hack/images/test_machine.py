import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster.progress import Task
from hack.images.docker import Docker
from hack.images.machine import Machine, this_machine
from hack.images.names import Target


@pytest.mark.parametrize("quiet", ["0", "1"])
def test_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quiet: str) -> None:
    certificates = tmp_path / "ca.crt"
    certificates.touch()
    for name in list(os.environ):
        if name.startswith("PIP_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_CERT", str(certificates))
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.test/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path} {tmp_path}/none https://links.test")
    monkeypatch.setenv("PIP_QUIET", quiet)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "")
    found = this_machine()
    assert found == Machine(
        pip={
            "index-url": "https://packages.test/simple",
            "find-links": f"{tmp_path} {tmp_path}/none https://links.test",
        },
        authorities=certificates,
        proxies=("HTTPS_PROXY",),
        folders=(tmp_path,),
    )
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "none.crt"))
    assert this_machine().authorities is None


def test_secrets_are_for_their_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    certificates = tmp_path / "ca.crt"
    machine = Machine({"index-url": "https://me:secret@packages.test"}, certificates, (), ())
    with machine.secrets() as secrets:
        settings = secrets["pip.conf"]
        assert settings.parent.stat().st_mode & 0o077 == 0
        assert settings.read_text() == (
            "[global]\nindex-url = https://me:secret@packages.test\ncert = /run/secrets/ca.crt\n"
        )
        assert secrets["uv.env"].read_text() == (
            "export UV_DEFAULT_INDEX=https://me:secret@packages.test\nexport SSL_CERT_FILE=/run/secrets/ca.crt\n"
        )
        assert secrets["ca.crt"] == certificates
    assert not settings.exists()
    with Machine({}, None, (), ()).secrets() as secrets:
        assert set(secrets) == {"pip.conf", "uv.env"}
        assert "cert" not in secrets["pip.conf"].read_text()


def test_docker_gets_them_in_ways_that_leave_nothing(
    programs: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.test:3128")
    programs("docker", f'echo "BUILDKIT=$DOCKER_BUILDKIT $*" >> {tmp_path}/calls')
    machine = Machine({"index-url": "https://me:secret@packages.test"}, tmp_path / "ca.crt", ("HTTPS_PROXY",), ())
    task = Task("Building")
    with tempfile.TemporaryFile() as lock:
        Docker(lock.fileno()).build(Target.PROFILER, "0123456789ab", machine, tmp_path / "image.part", task)
    assert task.total
    built, saved = (tmp_path / "calls").read_text().splitlines()
    assert built.startswith(
        "BUILDKIT=1 build --target profiler --tag=localhost/dgdr-profiler:0123456789ab --tag=localhost/dgdr-profiler:dev "
        "--secret=id=pip.conf,src="
    )
    assert f"--secret=id=ca.crt,src={tmp_path}/ca.crt --build-arg=HTTPS_PROXY " in built
    assert "me:secret" not in built
    assert saved.endswith(
        f" save --output {tmp_path}/image.part localhost/dgdr-profiler:0123456789ab localhost/dgdr-profiler:dev"
    )
