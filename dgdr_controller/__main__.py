"""``python -m dgdr_controller``: the same as ``dgdr``."""

from dgdr_controller.cli import main

main()
