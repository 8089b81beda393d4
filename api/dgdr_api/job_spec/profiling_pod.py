"""What of the profiling pod is the controller's, and what of it a request may set."""

import re

PROFILER = "profiler"
PUBLISHER = "output-copier"
"""The containers of a profiling pod; the publisher is an init container that runs beside the other one."""
PROFILER_FIXED = frozenset({"command", "args"})
"""Fields of the profiler that stay ours."""
PUBLISHER_FREE = frozenset({"name", "image", "resources"})
"""Fields of the publisher that do not."""
OUTPUT_VOLUME = "profiling-output"
"""The volume of the profiler's files for people, which may come from elsewhere."""
BASE_VOLUME = "profiling-config"
"""The volume of the user's own deployment, called as in Dynamo's profiling pod."""
EXCHANGE_VOLUME = "profiling-exchange"
"""The volume of the files between the two containers."""
REPORT_VOLUME = "profiling-report"
"""The volume of what the controller answers a thorough search."""
VOLUMES_FIXED = frozenset(
    {"input", BASE_VOLUME, EXCHANGE_VOLUME, REPORT_VOLUME, "tmp", "output-copier-kube-api-access"}
)
"""Volumes that stay as they are. Programs start in tmp."""
VOLUMES_MOUNTED = frozenset({"input", BASE_VOLUME, EXCHANGE_VOLUME, REPORT_VOLUME, OUTPUT_VOLUME})
"""Volumes that are mounted into the profiler where it looks for them."""
_OUR_LABELS = re.compile(r"app|dgdr|dgdr\.nvidia\.com/.*|nvidia\.com/(managed-by|dgdr-name)")


def is_ours(label: str) -> bool:
    """Say whether a label of a profiling pod is what the controller, or NVIDIA's operator, finds it by."""
    return bool(_OUR_LABELS.fullmatch(label))
