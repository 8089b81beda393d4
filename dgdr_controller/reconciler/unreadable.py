"""A request that this version cannot read: no webhook has validated it, or a newer version has written it."""

import json

from pydantic import ValidationError

from dgdr_api.conditions import Succeeded, Validation, set_conditions
from dgdr_api.errors import located
from dgdr_api.v1beta1 import DgdrStatus, Phase
from dgdr_controller.kinds import REQUESTS
from dgdr_controller.reconciler.metrics import FAILURES
from dgdr_controller.reconciler.observe import now
from dgdr_controller.runtime import Cache, Client, Key, ObjectMeta, Resource, Result, decode_dict
from dgdr_controller.runtime.log import get_logger

_RAW_REQUESTS = Resource(REQUESTS.group, REQUESTS.version, REQUESTS.plural, REQUESTS.kind, decode=decode_dict)
_SHOWN = 5
"""Problems that the condition names."""

log = get_logger(__name__)


async def report_unreadable(cache: Cache, client: Client, meta: ObjectMeta, error: ValidationError) -> Result:
    """Set the request to Failed, with the fields that cannot be read.

    Raises:
        ApiError: The status cannot be written now.
    """
    problems = "; ".join(located(detail) for detail in error.errors()[:_SHOWN])
    previous, time = _status(cache, meta.key), now(client)
    conditions = set_conditions(previous.conditions or (), [Validation.failed(problems)], meta.generation, time)
    conditions = set_conditions(conditions, [Succeeded.of(Phase.FAILED, conditions)], meta.generation, time)
    change = {"phase": Phase.FAILED, "observed_generation": meta.generation, "conditions": conditions}
    status = previous.model_copy(update=change)
    if status != previous:
        log.warning("Cannot read the request", problems=problems)
        content = status.model_dump(mode="json", exclude_none=True)
        await client.replace_status(REQUESTS, meta.key, content, resource_version=meta.resource_version)
        if previous.phase is not Phase.FAILED:
            FAILURES.labels(Validation.TYPE).inc()
    return Result.done()


def _status(cache: Cache, key: Key) -> DgdrStatus:
    """Return the status of a request that cannot be read as a whole; an empty one where the status is the reason."""
    found = cache.get(_RAW_REQUESTS, key) or {}
    try:
        return DgdrStatus.model_validate_json(json.dumps(found.get("status") or {}), by_alias=True, by_name=False)
    except ValidationError:
        return DgdrStatus()
