import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dgdr_controller import runtime
from dgdr_controller.runtime import ApiError, Client, Config, Key, NotFoundError, Resource, decode_dict
from dgdr_controller.runtime.testing import real_time, until
from hack.cluster.model import Cluster

WIDGETS: Resource[dict[str, Any]] = Resource("example.com", "v1", "widgets", "Widget", decode_dict)
CONFIG_MAPS: Resource[dict[str, Any]] = Resource("", "v1", "configmaps", "ConfigMap", decode_dict)
CRDS: Resource[dict[str, Any]] = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", decode_dict, namespaced=False
)
DEFINITION = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "additionalProperties": {"type": "string"}}},
                    }
                },
            }
        ],
    },
}


def example() -> str:
    found = re.search(r"```python\n(.*?)```", runtime.__doc__ or "", re.DOTALL)
    assert found
    return found[1]


def started(program: Path, cluster: Cluster) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(program)], env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)})


def test_example_is_short() -> None:
    code = [line for line in example().splitlines() if line.strip() and not line.startswith(("import", "from"))]
    assert len(code) <= 30


def test_exported_names_exist_and_are_documented() -> None:
    assert runtime.__all__ == sorted(runtime.__all__)
    for name in runtime.__all__:
        assert getattr(runtime, name).__doc__, name


@pytest.mark.cluster
@pytest.mark.alone("runtime")
@real_time
async def test_example_mirrors_widgets(control_plane: Cluster, namespace: str, tmp_path: Path) -> None:
    program = tmp_path / "mirror.py"
    program.write_text(example())
    key = Key(namespace, "a")

    async def mirrors(data: dict[str, str]) -> bool:
        try:
            return bool((await client.get(CONFIG_MAPS, key)).get("data") == data)
        except NotFoundError:
            return False

    async def made() -> bool:
        try:
            await client.apply(WIDGETS, {"metadata": {"namespace": namespace, "name": "a"}, "spec": {"x": "1"}})
        except ApiError:  # the API server does not know them yet
            return False
        return True

    async with Client(Config.from_kubeconfig(control_plane.kubeconfig)) as client:
        await client.apply(CRDS, DEFINITION)
        process = started(program, control_plane)
        try:
            await until(made, 30)
            await until(lambda: mirrors({"x": "1"}), 30)
            await client.patch(WIDGETS, key, {"spec": {"x": "2"}})
            await until(lambda: mirrors({"x": "2"}), 30)
            await client.delete(CONFIG_MAPS, key)
            await until(lambda: mirrors({"x": "2"}), 30)  # what it owns comes back
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 15) == 0
        finally:
            process.kill()
            process.wait()
            await client.delete(CRDS, Key("", "widgets.example.com"))
