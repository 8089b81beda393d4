import json
from collections.abc import Iterator

import pytest

from e2e.claims import claim_of
from e2e.journey import Journey
from hack.cluster.api import Client

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.aic, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]

CONFIG = {
    "architectures": ["MistralForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4096, "vocab_size": 32000,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 32768,
}  # fmt: skip


@pytest.fixture
def claim(api: Client, namespace: str) -> Iterator[str]:
    """A claim with the model in ``models/mine``."""
    with claim_of(api, namespace, "models/mine", {"config.json": json.dumps(CONFIG)}, weights_gib=14) as name:
        yield name


def test_private_model_is_planned_by_memory_and_loaded_from_the_claim(api: Client, namespace: str, claim: str) -> None:
    with Journey(api, namespace, "private") as journey:
        cache = {"pvcName": claim, "pvcModelPath": "models/mine"}
        journey.apply(model="acme/mine", backend="vllm", modelCache=cache, autoApply=False)
        assert journey.reaches("Ready", "Failed") == "Ready", journey.status()["conditions"]
        warning = journey.condition("ConfigurationWarning")["message"]
        assert warning.startswith("Model 'acme/mine' not supported by AIC. Generated DGD uses reasonable defaults")
        (point,) = journey.status()["profilingResults"]["pareto"]
        assert (point["source"], point["gpus"]) == ("naive", 2)
        assert "throughput" not in point
        components = journey.status()["profilingResults"]["selectedConfig"]["spec"]["components"]
        worker = next(c for c in components if c["type"] == "worker")["podTemplate"]["spec"]
        assert worker["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim
        args = worker["containers"][0]["args"]
        assert args[args.index("--model") + 1] == "/opt/model-cache/models/mine"


def test_path_that_is_not_there_is_refused_with_what_is(api: Client, namespace: str, claim: str) -> None:
    with Journey(api, namespace, "misplaced") as journey:
        journey.apply(model="acme/mine", modelCache={"pvcName": claim, "pvcModelPath": "modles/mine"})
        assert journey.reaches("Failed", "Ready") == "Failed"
        assert (
            "no config.json under 'modles/mine' of claim weights; its root has: models/"
            in (journey.condition("Succeeded")["message"])
        )
