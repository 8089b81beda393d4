"""``make pictures``: plan the sample request and draw its results page for the documents."""

from hack.cluster.layout import CHECKOUT
from hack.cluster.program import run
from hack.pictures.page import picture

FILE = CHECKOUT / "docs" / "images" / "results-page.svg"


def draw() -> None:
    """Write the picture."""
    FILE.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    run(draw)
