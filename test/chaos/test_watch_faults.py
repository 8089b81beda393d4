"""Watch events that come twice, late, in another order across kinds, or not at all: requests end as ever."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from dgdr_controller.runtime import Config
from hack.cluster.local import Local
from test.builders.chaos.cast import LIVES
from test.builders.chaos.dynamo import Show
from test.builders.chaos.proxy import Proxy
from test.builders.chaos.stream_faults import StreamFaults
from test.builders.lifecycle import Stage, controlling, staged

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.alone("chaos"),
    # watches that are cut off leave tasks behind, which is what is meant
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Endings = Mapping[str, "Ended | BaseException"]
"""By kind of fault."""

FAULTS = {
    "duplicated": StreamFaults(duplicates=0.7, late_duplicates=0.3),
    "delayed": StreamFaults(delay_s=5.0),
    "closed": StreamFaults(closes=0.2),
    "lost": StreamFaults(losses=0.4, expires_s=1.0),
    "all": StreamFaults(duplicates=0.3, late_duplicates=0.3, delay_s=1.0, closes=0.05, losses=0.1, expires_s=1.0),
}
HAPPENS = {"duplicated": "duplicated late", "delayed": "delayed", "closed": "closed", "lost": "expired", "all": "lost"}
"""What must have happened at least once, or the test has shown nothing."""
SHORT = ("duplicated", "delayed", "closed", "lost")
SHORT_LIVES = ("deployed", "crashed")
SHORT_SEED = 181
"""With which a Job is seen to have failed seconds before its pod is."""
QUIET_S = 1.5
"""How long a request that has come to its end is watched for whether it stays there."""
SEEDS = range(1, 5)
UNDISTURBED = ""


@dataclass(frozen=True)
class Ended:
    """How requests have ended.

    Attributes:
        statuses: Their final statuses, by the kind of their life.
        counts: How often each fault happened.
    """

    statuses: Mapping[str, str]
    counts: Mapping[str, int]


async def lived(config: Config, lives: Iterable[str], faults: StreamFaults | None, seed: int) -> Ended:
    """Live requests, each in a namespace of its own, with a controller that knows of these alone."""
    async with AsyncExitStack() as theatre:
        stages: dict[str, Stage] = {}
        for name in lives:
            stages[name] = await theatre.enter_async_context(staged(config, LIVES[name].plays))
            await stages[name].request(**LIVES[name].spec)
        namespaces = {stage.namespace for stage in stages.values()}
        proxy = await theatre.enter_async_context(Proxy(config, streams=faults, seed=seed, namespaces=namespaces))
        async with controlling(proxy.config):
            await asyncio.gather(*(stage.reaches(LIVES[name].ends) for name, stage in stages.items()))
            await asyncio.sleep(QUIET_S)
        for name, stage in stages.items():
            made = {kind: len(uids) for kind, uids in stage.uids.items()}
            assert made == {"Job": 1, "DynamoGraphDeployment": int(LIVES[name].deploys)}, name
        return Ended({name: await stage.timeless() for name, stage in stages.items()}, proxy.counts)


async def all_lived(config: Config, lives: Iterable[str], names: Iterable[str], seed: int) -> Endings:
    """Live requests with each kind of fault, and without any, all at the same time: most of it is waiting."""
    kinds = {UNDISTURBED: None} | {name: FAULTS[name] for name in names}
    runs = (lived(config, lives, faults, seed) for faults in kinds.values())
    return dict(zip(kinds, await asyncio.gather(*runs, return_exceptions=True), strict=True))


def judge(endings: Endings, faults: str) -> Ended:
    """Compare how requests ended with a kind of fault and without."""
    undisturbed, disturbed = endings[UNDISTURBED], endings[faults]
    for ended in (undisturbed, disturbed):
        if isinstance(ended, BaseException):
            raise ended
    assert isinstance(undisturbed, Ended)
    assert isinstance(disturbed, Ended)
    assert disturbed.statuses == undisturbed.statuses, faults
    assert disturbed.counts[HAPPENS[faults]], f"no event was {HAPPENS[faults]}: {disturbed.counts}"
    return disturbed


@pytest.fixture(scope="module")
def config(dynamo: Local) -> Config:
    return Config.from_kubeconfig(dynamo.kubeconfig)


def test_requests_end_as_ever(config: Config) -> None:
    endings = asyncio.run(all_lived(config, SHORT_LIVES, SHORT, SHORT_SEED))
    for faults in SHORT:
        judge(endings, faults)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", SEEDS)
def test_every_kind_of_request_ends_as_ever(config: Config, seed: int, show: Show) -> None:
    endings = asyncio.run(all_lived(config, tuple(LIVES), tuple(FAULTS), seed))
    for faults in FAULTS:
        show(judge(endings, faults).counts)
