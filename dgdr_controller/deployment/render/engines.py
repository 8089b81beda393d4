"""The engines that can be rendered."""

from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import sglang, trtllm, vllm
from dgdr_controller.deployment.render.engine import Engine

ENGINES: dict[Backend, Engine] = {
    Backend.VLLM: vllm.ENGINE,
    Backend.SGLANG: sglang.ENGINE,
    Backend.TRTLLM: trtllm.ENGINE,
}
