"""What of the profiling pod is the controller's, and what of it a request may set."""

import re

PROFILER = "profiler"
PUBLISHER = "output-copier"
"""The containers of a profiling pod; the publisher is an init container that runs beside the other one."""
PROFILER_FIXED = frozenset({"command", "args"})
"""Fields of the profiler that stay ours."""
PUBLISHER_FREE = frozenset({"name", "image", "resources"})
"""Fields of the publisher that do not."""
VOLUMES_FIXED = frozenset({"input", "tmp", "output-copier-kube-api-access"})
"""Volumes that stay as they are; that of the results may come from elsewhere. Programs start in tmp."""
VOLUMES_MOUNTED = frozenset({"input", "profiling-output"})
"""Volumes that are mounted into the profiler where it looks for them."""
_OUR_LABELS = re.compile(r"app|dgdr|dgdr\.nvidia\.com/.*|nvidia\.com/(managed-by|dgdr-name)")


def is_ours(label: str) -> bool:
    """Say whether a label of a profiling pod is what the controller, or NVIDIA's operator, finds it by."""
    return bool(_OUR_LABELS.fullmatch(label))
