"""Builds the documentation as a site, by the builder that requirements/docs.txt pins, in its own environment."""

import os
import subprocess

from hack.cluster.layout import CHECKOUT
from hack.cluster.program import run
from hack.cluster.progress import ClusterError
from hack.setup.environment import tool

SITE = CHECKOUT / "out" / "site"


def build() -> None:
    """Build the site.

    Raises:
        ClusterError: The builder cannot be installed, or a page is wrong.
    """
    done = subprocess.run(  # noqa: S603 - our words
        [str(tool("docs")), "-m", "mkdocs", "build", "--strict", "--quiet", f"--site-dir={SITE}"],
        cwd=CHECKOUT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )
    if done.returncode:
        raise ClusterError("the documentation has errors; see above")


if __name__ == "__main__":
    run(build)
