"""The results page: every candidate of a search, to look at, to compare and to take away.

`report` writes it as one HTML file that needs nothing else. The page itself is in ``static``: plain HTML, CSS and
scripts, which a browser can also load one by one from a server.
"""

from dgdr_controller.results.assets import MissingAssetError, require_assets
from dgdr_controller.results.report import report

__all__ = ["MissingAssetError", "report", "require_assets"]
