"""From a candidate to the DynamoGraphDeployment that runs it. Pure.

``graph`` builds the object; ``vllm``, ``sglang`` and ``trtllm`` say, each as one table, what every field of a
worker becomes on the engine's command line. Flags: those of Dynamo 1.6.1 and of the engines that it pins
(vLLM 0.31.0, SGLang 0.5.21, TensorRT-LLM 1.3.0rc29).
"""

from dgdr_controller.deployment.render.engine import Nodes
from dgdr_controller.deployment.render.family_limits import why_only_aggregated
from dgdr_controller.deployment.render.gpu_limits import why_not_on
from dgdr_controller.deployment.render.graph import Rendered, rdma_share, render
from dgdr_controller.deployment.render.images import version_note, workers_image
from dgdr_controller.deployment.render.limits import unpairable, unrenderable, unrenderable_worker
from dgdr_controller.deployment.render.request import GraphRequest

__all__ = [
    "GraphRequest",
    "Nodes",
    "Rendered",
    "rdma_share",
    "render",
    "unpairable",
    "unrenderable",
    "unrenderable_worker",
    "version_note",
    "why_not_on",
    "why_only_aggregated",
    "workers_image",
]
