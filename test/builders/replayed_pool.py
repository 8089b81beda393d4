"""A pool of simulator processes that replays events, and requests for it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dgdr_api.candidate import Mode
from dgdr_api.parse import parse_request
from dgdr_api.v1beta1 import Backend
from dgdr_controller.profiler.errors import InterruptedRunError
from dgdr_controller.profiler.hardware import HardwareOptions
from dgdr_controller.profiler.request import PlanRequest, plan_request
from dgdr_controller.profiler.simulation.aic.curves import Asked
from dgdr_controller.profiler.simulation.collect import Progress
from dgdr_controller.profiler.simulation.messages import Found, Search, Survey
from dgdr_controller.profiler.simulation.worker_pool import Answered, Lost, Refused, Started

ROW: dict[str, Any] = {
    "concurrency": 96, "request_rate": 3.567, "bs": 96, "ttft": 344.2, "tpot": 26.6, "tokens/s": 3563.0,
    "queue": 9000.0, "decode_step": 24.0, "prompt_rate": float("inf"),
    "num_total_gpus": 4, "tp": 4, "pp": 1, "dp": 1, "moe_tp": 1, "moe_ep": 1, "cp": 1, "kvcache": "bfloat16",
    "memory": 48.7, "ctx_tokens": 4000,
}  # fmt: skip
ROW_OF_A_PAIR = ROW | {
    **{f"({role}){key}": value for role in "pd" for key, value in ROW.items()},
    "(p)workers": 1, "(d)workers": 1, "num_total_gpus": 8, "prompt_rate": 9.0,
}  # fmt: skip
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 64, "hidden_size": 5120, "num_attention_heads": 64,
    "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 25600, "vocab_size": 151936,
    "max_position_embeddings": 40960,
}  # fmt: skip
SURVEY = Survey(
    engine="AIConfigurator",
    engine_version="0.12.0",
    simulated_as="Qwen/Qwen3-32B",
    content=CONFIG,
    reason="",
    similar=(),
    databases={Backend.VLLM: "0.24.0", Backend.SGLANG: "0.5.14"},
)

Ending = Callable[[Any], Any]


def answered(*rows: dict[str, Any], reason: str = "") -> Ending:
    return lambda search: Answered(search, Found(list(rows), reason), 1.0)


def refused(error: str, message: str) -> Ending:
    return lambda search: Refused(search, error, message, 1.0)


def lost(reason: str) -> Ending:
    return lambda search: Lost(search, reason, 1.0)


class Replay:
    """A pool whose searches end as they are told to, aggregated ones and disaggregated ones."""

    def __init__(self, agg: Ending, disagg: Ending, survey: Ending = lambda r: Answered(r, SURVEY, 0.5)) -> None:
        self.endings = {Mode.AGGREGATED: agg, Mode.DISAGGREGATED: disagg}
        self.survey = survey

    def run(self, _: object, items: Sequence[Any], deadline_s: float, until: float) -> Iterator[Any]:
        assert deadline_s > 0 < until
        for item in reversed(items):  # whoever ends first must not change the result
            yield Started(item)
            if isinstance(item, Asked):
                yield Answered(item, [], 1.0)
            else:
                yield self.endings[item.mode](item) if isinstance(item, Search) else self.survey(item)


def wanted(**spec: Any) -> PlanRequest:
    hardware = {"gpuSku": "h200_sxm", "totalGpus": 8} | spec.pop("hardware", {})
    manifest = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "r"},
        "spec": {"model": "Qwen/Qwen3-32B", "backend": "vllm", "hardware": hardware} | spec,
    }
    return plan_request(parse_request(manifest), HardwareOptions())


def silent(_: Progress) -> None:
    return None


def no_hub(model: str, _: object) -> int | None:
    raise InterruptedRunError(f"nobody should ask the hub for {model}")
