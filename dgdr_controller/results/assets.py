"""The files of the page."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"
PAGE = "page.html"
VENDOR = "vendor/"
"""Where the files of others are; beside each is its licence."""

_FETCHED = (f"{VENDOR}d3.min.js", f"{VENDOR}d3.LICENSE")


class MissingAssetError(Exception):
    """A file of the page is not there; the message says what to run."""


def read(name: str) -> str:
    """Return a file of the page.

    Raises:
        MissingAssetError: It is not there: those of others are fetched, not committed.
    """
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingAssetError(
            f"the results page lacks {name}: run python3 hack/assets.py in the checkout, which fetches it from npm"
        ) from None


def require_assets() -> None:
    """Check that what is fetched is there: who lacks it should not wait for results first.

    Raises:
        MissingAssetError: It is not.
    """
    for name in _FETCHED:
        read(name)
