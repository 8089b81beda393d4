"""What the controller finds out about a request is in its status: the spec is its author's, and GitOps tools compare it."""

import asyncio
from typing import Any

from dgdr_controller.kinds import NODES, REQUESTS
from dgdr_controller.runtime.testing import FakeApiServer, virtual_time
from test.builders.request_controller import QWEN, REQUEST, controlled

NODE: dict[str, Any] = {
    "metadata": {
        "name": "n1",
        "labels": {"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.memory": "143771"},
    },
    "status": {"allocatable": {"nvidia.com/gpu": "8"}, "conditions": [{"type": "Ready", "status": "True"}]},
}


@virtual_time
async def test_discovered_hardware_is_in_the_status_and_not_in_the_spec() -> None:
    spec = {"model": "Qwen/Qwen3-32B", "backend": "vllm"}
    async with FakeApiServer() as server, controlled(server):
        server.put(NODES, NODE)
        server.put(REQUESTS, REQUEST | {"spec": spec})
        await asyncio.sleep(5)
        found = server.object(REQUESTS, QWEN)
        assert found["status"]["phase"] == "Profiling"
        hardware = found["status"]["hardware"]
        assert (hardware["gpuSku"], hardware["totalGpus"], hardware["vramMb"]) == ("h200_sxm", 8, 143_771)
        assert (found["spec"], found["metadata"]["generation"]) == (spec, 1)
