import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from dgdr_controller.runtime import Config
from test.builders.lifecycle import Killer, controlling, staged

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.alone("lifecycle"),
    # a controller that is killed inside this process leaves tasks behind, which is what is meant
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass(frozen=True)
class Path:
    plays: str
    ends: str
    graphs: int
    spec: dict[str, Any]


PATHS = {
    "deployed": Path("success", "Deployed", 1, {}),
    "ready": Path("success", "Ready", 0, {"autoApply": False}),
    "refused": Path("refused", "Failed", 0, {}),
    "crashed": Path("crashed", "Failed", 0, {}),
}


async def lived(config: Config, path: Path, killer: Killer) -> tuple[str, list[str]]:
    """Live a request's whole life with a controller that is killed and another one; return status and first's writes."""
    async with staged(config, path.plays) as stage:
        await stage.request(**path.spec)
        async with controlling(config, killer):
            ended = asyncio.create_task(stage.reaches(path.ends))
            died = asyncio.create_task(killer.dead.wait())
            await asyncio.wait((ended, died), return_when=asyncio.FIRST_COMPLETED)
            died.cancel()
            if killer.at == 0:
                await asyncio.sleep(0.5)  # whatever else it would write
            ended.cancel()
            await asyncio.gather(ended, died, return_exceptions=True)
        async with controlling(config):
            await stage.reaches(path.ends)
        assert {kind: len(uids) for kind, uids in stage.uids.items()} == {
            "Job": 1,
            "DynamoGraphDeployment": path.graphs,
        }, f"killed at write {killer.at}: {killer.writes}"
        return await stage.timeless(), killer.writes


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", PATHS)
def test_every_write_can_be_the_last(dynamo: Config, name: str, *, after: bool) -> None:
    async def run() -> None:
        path = PATHS[name]
        expected, writes = await lived(dynamo, path, Killer())
        at = 0
        while True:
            at += 1
            killer = Killer(at, after)
            status, made = await lived(dynamo, path, killer)
            assert status == expected, f"killed {'after' if after else 'before'} write {at}: {made}"
            if len(made) < at:
                break
        assert at > min(len(writes), 8)

    asyncio.run(run())
