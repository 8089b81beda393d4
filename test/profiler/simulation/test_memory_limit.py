from pathlib import Path

import pytest

from dgdr_controller.profiler.simulation.memory_limit import MemoryLimit

V2 = {"memory.events": "low 0\nhigh 0\nmax 41\noom 2\noom_kill 2\noom_group_kill 0\n", "memory.max": "100663296\n"}
V1 = {
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "memory/memory.limit_in_bytes": "100663296\n",
}


def cgroup(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(("files", "kills"), [(V2, 2), (V1, 1)])
def test_kills_are_those_that_the_cgroup_counts(tmp_path: Path, files: dict[str, str], kills: int) -> None:
    found = MemoryLimit.read(cgroup(tmp_path, files))
    assert found == MemoryLimit(kills, 100663296)
    assert found.exceeded == "out of memory: processes were killed at the container's limit of 96 MiB"


@pytest.mark.parametrize(
    "files",
    [
        {},
        V2 | {"memory.events": "oom_kill 0\n"},
        V2 | {"memory.max": "max\n"},
        V1 | {"memory/memory.limit_in_bytes": "9223372036854771712\n"},
        V2 | {"memory.events": "junk"},
    ],
)
def test_nobody_was_killed_for_the_containers_limit(tmp_path: Path, files: dict[str, str]) -> None:
    assert MemoryLimit.read(cgroup(tmp_path, files)).exceeded == ""
