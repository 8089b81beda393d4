"""ConfigMap dgdr-rights: open, enforce, forbid, and whose images are trusted."""

from typing import Any

import pytest

pytestmark = pytest.mark.cluster

Person = Any  # test modules do not import each other
SPECS: dict[str, Any] = {
    "job": {"overrides": {"profilingJob": {"template": {"spec": {"hostNetwork": True}}}}},
    "deployment": {"overrides": {"dgd": {"spec": {}}}},
    "cache": {"modelCache": {"pvcName": "code", "pvcMountPath": "/usr"}},
    "image": {"image": "evil/dynamo-planner:1.6.1"},
}
DANGEROUS: dict[str, Any] = {name: (spec, {}) for name, spec in SPECS.items()} | {
    "profiler": ({}, {"dgdr.nvidia.com/profiler": "image"}),
    "base": ({}, {"nvidia.com/dgdr-spec": '{"configMapRef": {}}'}),
}


@pytest.fixture(scope="module")
def there(place: Any, settled: Any, refusing: Any) -> Any:
    """Have an editor in a namespace of a mode, once it holds there."""
    known: dict[str, tuple[Person, Person]] = {}

    def make(mode: str) -> tuple[Person, Person]:
        if mode not in known:
            admin = place(mode=mode)
            editor = settled(admin, "editor")
            refusing(editor, mode)
            known[mode] = admin, editor
        return known[mode]

    return make


@pytest.mark.parametrize("what", DANGEROUS)
def test_open_asks_for_nothing(there: Any, what: str) -> None:
    _, editor = there("open")
    editor.writes(*DANGEROUS[what])


@pytest.mark.parametrize("what", DANGEROUS)
def test_forbid_lets_nobody(there: Any, refusal: Any, what: str) -> None:
    admin, editor = there("forbid")
    for person in (editor, admin):
        message = refusal(lambda person=person: person.writes(*DANGEROUS[what])).message
        assert "is forbidden in this cluster (ConfigMap forbid, mode forbid)" in message
    editor.writes({"overrides": {"profilingJob": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}})


@pytest.mark.parametrize("what", DANGEROUS)
@pytest.mark.parametrize("mode", ["misspelt", "empty"])
def test_mode_that_is_not_understood_is_enforce(there: Any, refusal: Any, mode: str, what: str) -> None:
    admin, editor = there(mode)
    assert "needs the right to create" in refusal(lambda: editor.writes(*DANGEROUS[what])).message
    editor.writes()
    admin.writes(*DANGEROUS[what])


def test_missing_config_map_lets_nobody_write(there: Any, refusal: Any) -> None:
    admin, editor = there("lost")
    for person in (editor, admin):
        assert "no params found" in refusal(person.writes).message


def test_images_of_a_mirror_can_be_trusted(there: Any, refusal: Any) -> None:
    _, editor = there("mirrored")
    for image in ("registry.example:5000/mirror/dynamo-planner:1", "nvcr.io/nvidia/x/y@sha256:ab"):
        editor.writes({"image": image})
    for image in ("registry.example:5000/other/dynamo-planner:1", "registry.example:5000/mirror", "anywhere"):
        message = refusal(lambda image=image: editor.writes({"image": image})).message
        assert "which is not in nvcr.io/nvidia/, registry.example:5000/mirror/; this needs the right" in message
    _, trusting_nobody = there("empty")
    message = refusal(lambda: trusting_nobody.writes({"image": "nvcr.io/nvidia/x/y:1"})).message
    assert "which is not in any registry that is trusted here" in message


def test_change_of_the_switch_holds_soon(there: Any, kubectl: Any, soon: Any, refuses: Any) -> None:
    """With the command that the file says, but for the name."""
    _, editor = there("switched")

    def dangerous() -> None:
        editor.writes(*DANGEROUS["job"])

    for mode, refused in (("forbid", True), ("open", False), ("enforce", True)):
        kubectl(
            "-n",
            "dgdr-system",
            "patch",
            "configmap",
            "switched",
            "--type=merge",
            "-p",
            f'{{"data": {{"mode": "{mode}"}}}}',
        )
        soon(lambda refused=refused: refuses(dangerous) == refused)
