"""Container image references: registry and path, tag, digest."""

import re

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD = r"[0-9A-Za-z-]+"
_LONGEST = 512
_VERSION = re.compile(  # semver.org, with the v that images often carry
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?(?:\+{_BUILD}(?:\.{_BUILD})*)?"
)


_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(  # github.com/distribution/reference
    rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::\w[\w.-]{{0,127}})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{{32,}})?",
    re.ASCII,
)


def is_image(reference: str) -> bool:
    """Say whether a text can name an image."""
    return len(reference) <= _LONGEST and _REFERENCE.fullmatch(reference) is not None


def image_tag(image: str) -> str | None:
    """Return the tag of a reference, or None if it has none (a digest is no tag, a registry's port neither)."""
    last = image.split("@", 1)[0].rpartition("/")[2]
    _, colon, tag = last.partition(":")
    return tag if colon else None


def image_repository(image: str) -> str:
    """Return the registry and path in front of an image's own name, without the trailing slash; may be empty."""
    return image.split("@", 1)[0].rpartition("/")[0]


def image_name(image: str) -> str:
    """Return an image's own name, without registry, path, tag and digest."""
    return image.split("@", 1)[0].rpartition("/")[2].partition(":")[0]


def is_version(tag: str | None) -> bool:
    """Say whether a tag is a semantic version, with or without a leading ``v``."""
    return tag is not None and _VERSION.fullmatch(tag) is not None
