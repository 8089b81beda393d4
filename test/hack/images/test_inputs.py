import os
from pathlib import Path

import pytest

from hack.cluster.progress import ClusterError
from hack.images import base
from hack.images.inputs import content_hash, context, layers_hash
from hack.images.names import Target

OURS = {Target.CONTROLLER, Target.PROFILER, Target.MEASURER}
ALL = set(Target)


def changed(checkout: Path, path: str) -> set[Target]:
    """Which images are other ones after a file has one more line."""
    before = {target: content_hash(target, checkout) for target in Target}
    (checkout / path).parent.mkdir(exist_ok=True)
    with (checkout / path).open("a") as file:
        file.write("\n# more\n")
    return {target for target in Target if content_hash(target, checkout) != before[target]}


@pytest.mark.parametrize(
    ("path", "images"),
    [
        ("Dockerfile", ALL),
        ("pyproject.toml", OURS),
        ("README.md", OURS),
        ("LICENSE", OURS),
        ("requirements/build.txt", ALL),
        ("requirements/init.txt", ALL),
        ("requirements/controller.txt", {Target.CONTROLLER}),
        ("requirements/profiler.txt", {Target.PROFILER, Target.MEASURER}),
        ("requirements/aiperf.txt", {Target.MEASURER}),
        ("requirements/dynamo.txt", {Target.DYNAMO}),
        ("api/dgdr_api/names.py", OURS),
        ("api/dgdr_api/new.py", OURS),
        ("dgdr_controller/settings.py", OURS),
        ("hack/images/runtime.py", ALL),
        ("requirements/dev.txt", set()),
        ("requirements/engines.txt", set()),
        ("hack/images/build.py", set()),
        ("test/hack/images/conftest.py", set()),
        ("dgdr_controller/__pycache__/settings.cpython-311.pyc", set()),
        ("Makefile", set()),
    ],
)
def test_hash_is_decided_by_what_is_in_an_image_alone(checkout: Path, path: str, images: set[Target]) -> None:
    assert changed(checkout, path) == images


def test_renamed_or_removed_file_makes_another_image(checkout: Path) -> None:
    hashes = [content_hash(Target.CONTROLLER, checkout)]
    module = checkout / "dgdr_controller/settings.py"
    module = module.rename(module.with_name("other.py"))
    hashes.append(content_hash(Target.CONTROLLER, checkout))
    module.unlink()
    hashes.append(content_hash(Target.CONTROLLER, checkout))
    assert len(set(hashes)) == 3


def test_times_modes_and_places_do_not_matter(checkout: Path, tmp_path: Path) -> None:
    before = content_hash(Target.CONTROLLER, checkout)
    os.utime(checkout / "Dockerfile", (0, 0))
    assert content_hash(Target.CONTROLLER, checkout.rename(tmp_path / "elsewhere")) == before


def test_recipe_of_the_base_matters(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {content_hash(target, checkout) for target in Target} | {layers_hash("bookworm", checkout)}
    monkeypatch.setattr(base, "RECIPE", "another")
    after = {content_hash(target, checkout) for target in Target} | {layers_hash("bookworm", checkout)}
    assert not before & after


def test_layers_are_kept_while_source_changes_and_not_when_requirements_do(checkout: Path) -> None:
    before = layers_hash("bookworm", checkout)
    changed(checkout, "dgdr_controller/settings.py")
    changed(checkout, "Dockerfile")
    assert layers_hash("bookworm", checkout) == before
    assert layers_hash("trixie", checkout) != before
    changed(checkout, "requirements/profiler.txt")
    assert layers_hash("bookworm", checkout) != before


def test_every_file_that_the_dockerfile_copies_is_let_through(checkout: Path) -> None:
    lines = [line.split() for line in (checkout / "Dockerfile").read_text().splitlines()]
    copied = [path for words in lines if words[:1] == ["COPY"] and "--from" not in words[1] for path in words[1:-1]]
    files = {str(path.relative_to(checkout)) for path in context(checkout)}
    assert copied
    for path in copied:
        assert any(file == path or file.startswith(path) for file in files), path
    assert not any("dev.txt" in file or "__pycache__" in file for file in files)


@pytest.mark.parametrize(
    ("line", "says"),
    [("!nothing.txt", "nothing.txt is let through, and there is none"), ("api/*.md", "write \\*, then !PATH")],
)
def test_dockerignore_that_is_not_understood_is_refused(checkout: Path, line: str, says: str) -> None:
    with (checkout / ".dockerignore").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ClusterError, match=says):
        content_hash(Target.CONTROLLER, checkout)
