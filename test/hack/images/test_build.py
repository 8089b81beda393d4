import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.cluster import docker
from hack.cluster.layout import CHECKOUT
from hack.cluster.progress import ClusterError, Task
from hack.images import base, build, buildah, names
from hack.images.machine import Machine
from hack.images.names import Target


class Builder:
    """Stands for Docker; what it does is given."""

    name = "nothing"

    def __init__(self, does: Callable[[Path], object]) -> None:
        self.does = does
        self.calls = 0

    def __call__(self, lock: int) -> "Builder":  # noqa: ARG002 - as Docker is made
        return self

    def build(self, target: Target, digest: str, machine: Machine, archive: Path, task: Task) -> None:  # noqa: ARG002 - the same
        self.calls += 1
        self.does(archive)


@pytest.fixture
def build_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], object]], Builder]:
    """Have images built by a function, in a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(docker, "answers", lambda: True)

    def replace(does: Callable[[Path], object]) -> Builder:
        builder = Builder(does)
        monkeypatch.setattr(build, "Docker", builder)
        return builder

    return replace


def left() -> list[str]:
    return sorted(path.name for path in names.folder().iterdir() if path.name != "lock")


def test_image_that_is_there_is_not_built_again(build_with: Callable[..., Builder]) -> None:
    builder = build_with(lambda archive: archive.write_text("image"))
    first = build.build(Target.CONTROLLER)
    assert first.read_text() == "image"
    assert (build.build(Target.CONTROLLER), builder.calls) == (first, 1)
    assert build.build(Target.PROFILER) != first
    assert builder.calls == 2


@pytest.mark.parametrize("end", [KeyboardInterrupt(), ClusterError("the disk is full"), OSError("gone")])
def test_build_that_does_not_come_to_its_end_leaves_nothing(
    build_with: Callable[..., Builder], end: BaseException
) -> None:
    def half(archive: Path) -> None:
        archive.write_text("half an ima")
        raise end

    build_with(half)
    with pytest.raises(type(end)):
        build.build(Target.CONTROLLER)
    assert left() == []


def test_leftovers_of_a_killed_build_are_removed_and_other_files_are_not(build_with: Callable[..., Builder]) -> None:
    build_with(lambda archive: archive.write_text("image"))
    names.folder().mkdir(parents=True)
    for name in ("dgdr-controller-0123456789ab.part", "pause-0123456789ab.tar", "pause-0123456789ab.part"):
        (names.folder() / name).touch()
    made = build.build(Target.CONTROLLER)
    assert left() == sorted([made.name, "pause-0123456789ab.tar", "pause-0123456789ab.part"])


def test_two_archives_asked_for_last_are_kept_of_each_target(
    build_with: Callable[..., Builder], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_with(lambda archive: archive.write_text("image"))
    profiler = build.build(Target.PROFILER)
    digests = [f"{number:012x}" for number in range(3)]

    def ask(digest: str) -> None:
        monkeypatch.setattr(build, "content_hash", lambda _: digest)
        made = build.build(Target.CONTROLLER)
        for path in names.archives(Target.CONTROLLER):  # as if a minute passed
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60 - (path != made)))

    for digest in (digests[0], digests[1], digests[0], digests[2]):
        ask(digest)
    kept = {path.name for path in names.archives(Target.CONTROLLER)}
    assert kept == {f"dgdr-controller-{digests[0]}.tar", f"dgdr-controller-{digests[2]}.tar"}
    assert profiler.exists()


def test_full_disk_is_told_before_the_build(
    build_with: Callable[..., Builder], monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = build_with(lambda archive: archive.write_text("image"))
    usage = type("Usage", (), {"free": 2**30})
    monkeypatch.setattr(build.shutil, "disk_usage", lambda _: usage)  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match=r"1\.0 GiB free, 6 are needed to build the profiler image: make room, or"):
        build.build(Target.PROFILER)
    assert builder.calls == 0


def test_missing_programs_are_named_as_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildah.os, "geteuid", lambda: 0)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "which", lambda name: None if name != "unshare" else name)
    with pytest.raises(ClusterError) as caught:
        buildah.check()
    assert str(caught.value) == (
        "packages are missing for container images: run `apt-get update && apt-get install -y "
        "--no-install-recommends buildah debootstrap` as root, or allow this user sudo without a password"
    )


def test_build_without_root_tells_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildah.os, "geteuid", lambda: 1000)  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match="images need Docker, or root for buildah and debootstrap: run the command"):
        buildah.check()


@pytest.mark.parametrize(("script", "answers"), [("exit 0", True), ("echo 'Cannot connect'; exit 1", False)])
def test_docker_command_without_a_daemon_is_none(
    programs: Callable[[str, str], None], script: str, *, answers: bool
) -> None:
    programs("docker", script)
    docker.answers.cache_clear()
    try:
        assert docker.answers() is answers
    finally:
        docker.answers.cache_clear()


def test_release_is_the_one_that_apt_is_set_up_for(
    programs: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_SCRIPTS", tmp_path)
    (tmp_path / "trixie").touch()
    lines = [
        "http://a/ node20 main",
        "http://b/ trixie contrib",
        "http://c/ trixie-updates main",
        "http://d/ trixie main",
    ]
    programs("apt-get", "\n".join(f"echo '{line}'" for line in lines))
    assert base.source() == base.Source("http://d/", "trixie")
    (tmp_path / "trixie").unlink()
    with pytest.raises(ClusterError, match="apt is set up for no release that debootstrap knows"):
        base.source()


def archive_of(path: Path, names: list[str], *, manifest_last: bool = True) -> None:
    layer = ("layer.tar", os.urandom(20_000))
    manifest = ("manifest.json", json.dumps([{"Config": "c", "RepoTags": names, "Layers": ["layer.tar"]}]).encode())
    with tarfile.open(path, "w") as tar:
        for name, content in (layer, manifest) if manifest_last else (manifest, layer):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_archive_is_renamed_in_place(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    archive_of(path, [f"a:{number}" for number in range(5000)])
    buildah.rename(path, ("b:1", "b:dev"))
    assert b"a:1" not in path.read_bytes()
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["layer.tar", "manifest.json"]
        manifest = tar.extractfile("manifest.json")
        assert manifest
        assert json.load(manifest) == [{"Config": "c", "RepoTags": ["b:1", "b:dev"], "Layers": ["layer.tar"]}]


def test_archive_of_another_order_is_refused_and_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    archive_of(path, ["a:1"], manifest_last=False)
    before = path.read_bytes()
    with pytest.raises(ClusterError, match="manifest before its layers"):
        buildah.rename(path, ("b:1",))
    assert path.read_bytes() == before


DOCKER = """
case "$1" in
info) exit 0 ;;
build) echo $$ >> "$PIDS"; sleep 300 & echo $! >> "$PIDS"; wait ;;
esac
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(tmp_path: Path) -> tuple["subprocess.Popen[str]", Path]:
    pids = tmp_path / "pids"
    pids.write_text("")
    process = subprocess.Popen(
        [sys.executable, "-m", "hack.images", "build", "controller"],
        cwd=CHECKOUT,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PIDS": str(pids)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, pids


def wait_until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_what_the_build_has_started(
    programs: Callable[[str, str], None], tmp_path: Path, number: signal.Signals
) -> None:
    programs("docker", DOCKER)
    process, pids = started(tmp_path)
    wait_until(lambda: len(pids.read_text().split()) == 2)
    process.send_signal(number)
    printed, told = process.communicate(timeout=20)
    assert (process.returncode, printed) == (75, "")
    assert told.splitlines()[-1] == "interrupted: the next build goes on from the last finished step"
    wait_until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))
    assert [path.name for path in (tmp_path / "dgdr-controller/images").iterdir()] == ["lock"]


def test_second_build_waits_even_for_what_a_killed_one_has_left_running(
    programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    programs("docker", DOCKER)
    first, pids = started(tmp_path)
    wait_until(lambda: len(pids.read_text().split()) == 2)
    first.kill()
    first.communicate()
    orphans = [int(pid) for pid in pids.read_text().split()]
    second, _ = started(tmp_path)
    try:
        assert second.stderr
        assert second.stderr.readline() == "Another build of images runs; waiting for it ...\n"
        assert len(pids.read_text().split()) == 0  # truncated by started(): the second one has begun nothing
    finally:
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(pids.read_text().split()) == 2)
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=20)
