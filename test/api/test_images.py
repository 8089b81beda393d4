"""Registry, tag and digest of an image are not mistaken for one another."""

import pytest

from dgdr_api.images import image_repository, image_tag, is_version

DIGEST = "@sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("planner", "", None),
        ("planner:1.6.1", "", "1.6.1"),
        ("nvcr.io/nvidia/planner:1.6.1", "nvcr.io/nvidia", "1.6.1"),
        ("nvcr.io/nvidia/planner", "nvcr.io/nvidia", None),
        ("localhost:5000/planner", "localhost:5000", None),
        ("localhost:5000/a/planner:v1", "localhost:5000/a", "v1"),
        ("nvcr.io/planner" + DIGEST, "nvcr.io", None),
        ("localhost:5000/planner:1.6.1" + DIGEST, "localhost:5000", "1.6.1"),
    ],
)
def test_image_has_a_repository_and_perhaps_a_tag(image: str, repository: str, tag: str | None) -> None:
    assert (image_repository(image), image_tag(image)) == (repository, tag)


@pytest.mark.parametrize(
    "tag", ["1.6.1", "v1.6.1", "0.0.0", "10.20.30", "1.6.1-rc.1", "1.6.1-rc1.post-2", "1.6.1-0", "1.6.1+cuda.12"]
)
def test_semantic_version_is_a_version(tag: str) -> None:
    assert is_version(tag)


@pytest.mark.parametrize(
    "tag",
    [
        None,
        "",
        "v",
        "latest",
        "1",
        "1.6",
        "1.6.1.0",
        "01.6.1",
        "1.06.1",
        "V1.6.1",
        "1.6.1-",
        "1.6.1+",
        " 1.6.1",
        "1.6.1\n",
        "1.6.1-rc..1",  # semver.org, item 9: no empty identifier
        "1.6.1-01",  # the same: no leading zero in a number
        "1.6.1-rc.01",
    ],
)
def test_other_tags_are_no_versions(tag: str | None) -> None:
    assert not is_version(tag)
