"""``spec.overrides.profilingJob``: what is wrong with a part of a batch/v1 JobSpec, before anything is made of it.

`job_spec.json` says which fields there are; `rules` adds what Kubernetes checks in code (``ValidateJobSpec`` and
``ValidatePodSpec``) and what a profiling Job cannot be; `reader` holds a value against both. A part is judged by
itself: what only the whole Job can break, such as a mount without its volume, the API server finds when the Job is
tried there.
"""

from pydantic import JsonValue

from dgdr_api.error_list import ErrorList, LimitReachedError
from dgdr_api.errors import FieldError
from dgdr_api.job_spec.profiling_pod import (
    BASE_VOLUME,
    EXCHANGE_VOLUME,
    OUTPUT_VOLUME,
    PROFILER,
    PROFILER_FIXED,
    PUBLISHER,
    PUBLISHER_FREE,
    REPORT_VOLUME,
    VOLUMES_FIXED,
    VOLUMES_MOUNTED,
    is_ours,
)
from dgdr_api.job_spec.reader import read
from dgdr_api.text import MAX_REPORTED

__all__ = [
    "BASE_VOLUME",
    "EXCHANGE_VOLUME",
    "OUTPUT_VOLUME",
    "PATH",
    "PROFILER",
    "PROFILER_FIXED",
    "PUBLISHER",
    "PUBLISHER_FREE",
    "REPORT_VOLUME",
    "VOLUMES_FIXED",
    "VOLUMES_MOUNTED",
    "is_ours",
    "validate",
]

PATH = "spec.overrides.profilingJob"
"""Where the part of a JobSpec stands in a request."""


def validate(job: JsonValue, path: str = PATH) -> list[FieldError]:
    """Return everything by which a value is no part of a profiling Job's JobSpec; empty when nothing is wrong.

    What the whole Job must have may be absent; null is absent, as the API server reads it. Fields that are wrong
    together (a toleration's value beside ``Exists``) are named once each of them is right by itself.

    Args:
        job: Any value.
        path: Where it stands; the paths of the errors begin with it.

    Returns:
        At most `MAX_REPORTED` errors, in the order of the document.
    """
    errors = ErrorList(limit=MAX_REPORTED)
    try:
        if job is not None:
            read(job, path, errors)
    except LimitReachedError:
        pass
    return errors.errors
