"""Relays what the profiler writes into files to a ConfigMap: progress as it comes, results when they are whole.

In the other direction it hands a thorough search what the controller says of its deployments, and what an earlier pod
has measured.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from dgdr_api.trials import TrialReport
from dgdr_controller.atomic_files import write_atomically
from dgdr_controller.kinds import CONFIG_MAPS, ConfigMap
from dgdr_controller.profiling_job import output
from dgdr_controller.profiling_job.exit_code import ExitCode
from dgdr_controller.profiling_job.output import Output, TooLargeError
from dgdr_controller.profiling_job.protocol import REPORT_FILE, RunState, RunStatus
from dgdr_controller.profiling_job.source import Source
from dgdr_controller.runtime import (
    Client,
    ConflictError,
    ForbiddenError,
    Key,
    NotFoundError,
    RequestError,
    UnauthorizedError,
)
from dgdr_controller.runtime.log import get_logger

_LOOK_S = 0.1
"""How often files are looked at: some sub-phases take no longer."""
_PERIOD_S = 1.0
"""Between two writes that tell no more than progress."""
_REPORT_S = 1.0
"""How often the controller's answer is looked for."""
_RETRY_S = 5.0
_FLUSH_S = 600.0
"""How long the last state is tried to be written; the pod's grace period is longer."""
_GONE_S = 10.0
"""How long a refusal is doubted: rights are in force some seconds after they were granted."""
_FIELD_MANAGER = "dgdr-publisher"
_ANSWERS = (ExitCode.RESULT, ExitCode.REQUEST_WRONG, ExitCode.NOT_DEPLOYABLE)
"""Exit codes that another pod of the same Job would repeat: what they say stays."""

log = get_logger(__name__)


async def publish(
    client: Client, key: Key, source: Source, stop: asyncio.Event, report_folder: Path | None = None
) -> None:
    """Publish every change until told to stop; then the last state, however long the API server is away.

    Args:
        client: The API server.
        key: The ConfigMap; it exists.
        source: The files.
        stop: Set when the profiler has ended.
        report_folder: Where a thorough search looks for the controller's answers; None: it is no thorough one.

    Raises:
        RequestError: The last state could not be written in time.
        ValueError: The files cannot be read, or do not fit.
    """
    found = await _config_map(client, key, stop)
    before = output.read(found) if found is not None else None
    if before is not None and before.job_uid == source.job_uid and before.run.exit_code in _ANSWERS:
        log.info("The result of this Job is published already")
        await stop.wait()
        return
    earlier = before if before is not None and before.inputs == source.inputs else None
    target = _Target(client, key, earlier.trials if earlier else "")
    reports = asyncio.create_task(_hand_over_reports(target, report_folder, earlier, stop)) if report_folder else None
    await _publish_changes(target, source, stop)
    if reports:
        await reports
    await _publish_last(target, source)


class _Target:
    """The ConfigMap, and what is published in it.

    It is written as that very object: one that was deleted is not made anew by a write, since it would be nobody's and
    stand in the way of the one that the controller makes.

    Args:
        client: The API server.
        key: The ConfigMap.
        earlier: What an earlier pod of the search has measured: it stays until this one's profiler has read it.
    """

    def __init__(self, client: Client, key: Key, earlier: str = "") -> None:
        self._client, self._key, self._earlier = client, key, earlier
        self._uid = ""
        self.published: Output | None = None

    async def write(self, now: Output | None) -> None:
        """Write the present state, if it is another one.

        Raises:
            RequestError: It cannot be written now.
        """
        if now is not None and not now.trials and now.run.status is not RunState.SUCCESS:
            now = replace(now, trials=self._earlier)
        if now is None or now == self.published:
            return
        if not self._uid:
            self._uid = (await self._client.get(CONFIG_MAPS, self._key)).metadata.uid
        metadata = {"name": self._key.name, "namespace": self._key.namespace, "uid": self._uid}
        try:
            await self._client.apply(
                CONFIG_MAPS, {"metadata": metadata} | _content(now), field_manager=_FIELD_MANAGER, force=True
            )
        except ConflictError:
            self._uid = ""  # it is another one by now, or will be
            raise
        self.published = now
        log.info("Published", phase=now.run.phase, progress=now.run.message)

    async def report(self, earlier: Output | None) -> TrialReport:
        """Return what the controller says of the deployments of a thorough search.

        Raises:
            RequestError: It cannot be read now.
        """
        found = await self._client.get(CONFIG_MAPS, self._key)
        report = output.read_trial_status(found)
        return report.model_copy(update={"earlier": earlier.trial_log if earlier else None})


async def _hand_over_reports(target: _Target, folder: Path, earlier: Output | None, stop: asyncio.Event) -> None:
    """Write every change of the controller's answer into a file, until told to stop."""
    known: TrialReport | None = None
    while not stop.is_set():
        try:
            found = await target.report(earlier)
        except RequestError as error:
            log.warning("Cannot read the controller's answer yet", error=error)
            await _pause(stop, _RETRY_S)
            continue
        if found != known:
            write_atomically(folder, {REPORT_FILE: found.model_dump_json(exclude_none=True)})
            known = found
        await _pause(stop, _REPORT_S)


async def _publish_changes(target: _Target, source: Source, stop: asyncio.Event) -> None:
    """Publish every change until told to stop."""
    clock = asyncio.get_running_loop().time
    seen: object = None
    written = -_PERIOD_S
    while not stop.is_set():
        await _pause(stop, _LOOK_S)
        version = source.version()
        if version in (None, seen):
            continue
        try:
            now = source.read()
            if _waits(now, target.published) and clock() < written + _PERIOD_S:
                continue
            await target.write(now)
            seen, written = version, clock()
        except (RequestError, ValueError) as error:
            log.warning("Cannot publish yet", error=error)
            await _pause(stop, _RETRY_S)


def _waits(now: Output | None, published: Output | None) -> bool:
    """Say whether what is new is no more than progress within a sub-phase, which can wait a little."""
    if now is None or published is None:
        return False
    return (now.run.status, now.run.phase) == (published.run.status, published.run.phase)


async def _publish_last(target: _Target, source: Source) -> None:
    """Publish the state at the end, if that is another one; try again as long as the API server may come back."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    while True:
        try:
            await target.write(source.read())
        except RequestError as error:
            # Refused for good, as it seems: the request is deleted, and with it the ConfigMap and the right to it.
            gone = isinstance(error, (ForbiddenError, NotFoundError, UnauthorizedError))
            if clock() > begun + (_GONE_S if gone else _FLUSH_S):
                raise
            log.warning("Cannot publish yet", error=error)
            await asyncio.sleep(_RETRY_S)
        else:
            return


async def _config_map(client: Client, key: Key, stop: asyncio.Event) -> ConfigMap | None:
    """Read the ConfigMap, as soon as the API server lets us; None when told to stop before."""
    while not stop.is_set():
        try:
            return await client.get(CONFIG_MAPS, key)
        except RequestError as error:
            log.warning("Cannot read the output yet", config_map=str(key), error=error)
            await _pause(stop, _RETRY_S)
    return None


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _content(now: Output) -> dict[str, Any]:
    """Return a state as it is written; results that do not fit are a failure."""
    try:
        return output.data(now)
    except TooLargeError as error:
        failed = RunStatus(
            status=RunState.FAILED,
            phase=now.run.phase,
            message=str(error),
            error=str(error),
            exit_code=ExitCode.INTERNAL,
        )
        return output.data(Output(now.job_uid, now.inputs, failed))
