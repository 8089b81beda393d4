from pathlib import Path
from typing import Any

import pytest

from hack.virtual_kubelet.sources import CONFIG_MAP, SECRET, Sources, references
from hack.virtual_kubelet.storage import write
from hack.virtual_kubelet.volumes import File, MountError, files

POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u"},
    "spec": {},
    "status": {"podIP": "127.64.0.1", "hostIP": "127.0.0.1"},
}
SOURCES = Sources({(CONFIG_MAP, "c"): {"a": b"1", "b": b"2"}, (SECRET, "s"): {"k": b"hidden"}})


def contents(**volume: Any) -> dict[str, File]:
    return files({"name": "v"} | volume, POD, SOURCES, lambda source: f"token for {source.get('audience', '')}")


def test_config_map_is_a_file_for_each_key() -> None:
    assert contents(configMap={"name": "c"}) == {"a": File(b"1"), "b": File(b"2")}


def test_items_choose_keys_paths_and_modes() -> None:
    items = [{"key": "a", "path": "x/y", "mode": 0o400}]
    assert contents(configMap={"name": "c", "items": items, "defaultMode": 0o600}) == {"x/y": File(b"1", 0o400)}


def test_projected_volume_holds_all_its_sources() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "me"}},
        {"configMap": {"name": "c", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"secret": {"name": "s"}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    found = contents(projected={"sources": sources})
    assert {path: file.content for path, file in found.items()} == {
        "token": b"token for me",
        "ca.crt": b"1",
        "k": b"hidden",
        "namespace": b"n",
    }
    assert found["token"].mode == 0o600


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"secret": {"secretName": "none"}}, 'secret "none" not found'),
        ({"configMap": {"name": "c", "items": [{"key": "z", "path": "z"}]}}, "configmap n/c has no key z"),
        ({"configMap": {"name": "c", "items": [{"key": "a", "path": "../a"}]}}, "must not contain"),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "cannot project clusterTrustBundle"),
    ],
)
def test_volume_that_cannot_be_had_says_why(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(MountError, match=message):
        contents(**volume)


def test_optional_sources_may_be_missing() -> None:
    assert contents(configMap={"name": "none", "optional": True}) == {}
    assert contents(configMap={"name": "c", "optional": True, "items": [{"key": "z", "path": "z"}]}) == {}


def test_references_are_found_everywhere() -> None:
    container = {
        "envFrom": [{"configMapRef": {"name": "1"}}],
        "env": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "2"}}}, {"name": "b", "value": "x"}],
    }
    volumes = [
        {"name": "v", "secret": {"secretName": "3"}},
        {"name": "w", "projected": {"sources": [{"configMap": {"name": "4"}}, {"serviceAccountToken": {}}]}},
        {"name": "x", "emptyDir": {}},
    ]
    pod = {"spec": {"initContainers": [container], "containers": [{}], "volumes": volumes}}
    assert list(references(pod)) == [(CONFIG_MAP, "1"), (SECRET, "2"), (SECRET, "3"), (CONFIG_MAP, "4")]


def test_files_that_are_gone_are_removed(tmp_path: Path) -> None:
    write(tmp_path, {"a": File(b"1"), "x/y": File(b"2", 0o400)})
    assert (tmp_path / "x/y").stat().st_mode & 0o777 == 0o400
    write(tmp_path, {"a": File(b"3")})
    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == {"a": b"3"}
