import json
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hack.cluster import images, node, store
from hack.cluster.fixtures import lacking
from hack.cluster.layout import cache
from hack.cluster.progress import ClusterError, UnavailableError

pytestmark = pytest.mark.cluster
PAUSE = "localhost/pause:local"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive of a node's own images, in a cache of the test's own."""
    try:
        node.check()
    except UnavailableError as error:
        lacking(f"images are unpacked by containerd: {error}")
    made = images.archive()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (cache() / "images").mkdir(parents=True)
    return Path(shutil.copy(made, cache() / "images"))


def never() -> AbstractContextManager[Path]:
    raise AssertionError("containerd is not to be started")


def unpacked() -> list[str]:
    """Return the images that containerd finds in the store."""
    with store._containerd() as socket:
        return store.ctr(socket, "images", "ls", "-q").split()


def test_store_unpacks_an_archive_once(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add([archive])
    assert PAUSE in unpacked()
    monkeypatch.setattr(store, "_containerd", never)
    store.add([archive])
    assert PAUSE in json.loads((cache() / "store.json").read_text())[archive.name]


def test_store_forgets_images_whose_archive_is_gone(archive: Path) -> None:
    store.add([archive])
    archive.unlink()
    store.add([])
    assert unpacked() == []
    assert json.loads((cache() / "store.json").read_text()) == {}


def test_store_is_copied_by_links_but_for_databases(archive: Path, tmp_path: Path) -> None:
    store.add([archive])
    root = tmp_path / "cluster"
    root.mkdir()
    store.copy(root)
    place = root / store.CONTAINERD
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    alone = {path.name for path in files if path.stat().st_nlink == 1}
    assert {"meta.db", "metadata.db"} <= alone
    blobs = [path for path in files if path.parent.name == "sha256"]
    assert blobs
    assert all(os.path.samefile(path, cache() / "store" / path.relative_to(place)) for path in blobs)  # noqa: PTH121


def test_node_that_began_with_an_image_does_not_load_it(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([archive])
    root = tmp_path / "cluster"
    root.mkdir()
    store.copy(root)
    asked: list[tuple[str, ...]] = []

    def ctr(_: Path, *arguments: str) -> str:
        asked.append(arguments)
        return "unpacking localhost/new:1 (x)"

    monkeypatch.setattr(store, "ctr", ctr)
    store.load(root, Path("socket"), archive)
    assert asked == []  # these are two images, and neither takes the name of the other
    built = tmp_path / "dgdr-controller-1.tar"
    listed = root / "images.json"
    listed.write_text(json.dumps({built.name: ["localhost/dgdr-controller:1", "localhost/dgdr-controller:dev"]}))
    store.load(root, Path("socket"), built)
    assert asked == [("images", "tag", "--force", "localhost/dgdr-controller:1", "localhost/dgdr-controller:dev")]
    asked.clear()
    for _ in range(2):
        store.load(root, Path("socket"), tmp_path / "new.tar")
    assert asked == [("images", "import", str(tmp_path / "new.tar"))]


def test_archive_that_is_none_is_refused_and_not_listed(archive: Path) -> None:
    broken = archive.with_name("broken.tar")
    broken.write_bytes(b"no archive")
    with pytest.raises(ClusterError, match=r"ctr images import .*broken\.tar failed"):
        store.add([broken, archive])
    store.add([archive])
    assert PAUSE in unpacked()
    assert broken.name not in json.loads((cache() / "store.json").read_text())
