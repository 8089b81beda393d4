"""What images and their archives are called."""

import os
from enum import StrEnum
from pathlib import Path

from hack.cluster.layout import cache

MOVING_TAG = "dev"
"""Tag of the image that was loaded last."""

DIGITS = 12
"""Digits of a content hash in names."""


class Target(StrEnum):
    """Images, called as the Dockerfile's targets."""

    CONTROLLER = "controller"
    PROFILER = "profiler"
    MEASURER = "measurer"
    """The profiler of thorough searches, which measures with AIPerf."""
    DYNAMO = "dynamo"
    """Dynamo's frontend and mocker, for clusters of this machine."""


def image(target: Target, tag: str) -> str:
    """Return the name of an image; the host keeps everybody from looking for it in a registry."""
    return f"localhost/dgdr-{target}:{tag}"


def images(target: Target, digest: str) -> tuple[str, str]:
    """Return both names under which an archive's image is loaded."""
    return image(target, digest), image(target, MOVING_TAG)


def base_image(digest: str) -> str:
    """Return the name of the Debian that images are built from without Docker."""
    return f"localhost/dgdr-base:{digest}"


def folder() -> Path:
    """Return the folder of the archives."""
    return cache() / "images"


def archive(target: Target, digest: str) -> Path:
    """Return the archive of an image of this content."""
    return folder() / f"dgdr-{target}-{digest}.tar"


def archives(target: Target) -> list[Path]:
    """Return the archives of a target, the one that was asked for last first."""
    return sorted(folder().glob(f"dgdr-{target}-{'[0-9a-f]' * DIGITS}.tar"), key=os.path.getmtime, reverse=True)
