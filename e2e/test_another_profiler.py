"""An image that profiles in place of ours: a program that writes the files of Dynamo's profiler, as it writes them."""

import json
from typing import Any

import pytest
import yaml

from dgdr_api.candidate import Mode
from dgdr_api.v1beta1 import Backend
from e2e.graphs import MODEL, graph
from e2e.journey import Journey
from hack.cluster.api import Client
from hack.dynamo.endpoint import Endpoint
from hack.images.names import MOVING_TAG, Target, image

pytestmark = [
    *(pytest.mark.cluster, pytest.mark.images, pytest.mark.alone("node")),
    pytest.mark.usefixtures("installed"),
]

# A status is written over the one before, not beside it: readers may see half of it.
PROGRAM = """
import json, os, sys, time
options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
spec = json.load(open(options["config"]))
folder = options["output-dir"]
os.makedirs(folder, exist_ok=True)

def tell(status, **told):
    with open(os.path.join(folder, "profiler_status.yaml"), "w") as file:
        file.write(f"status: {status}\\n")
        file.flush()
        time.sleep(0.2)
        file.writelines(f"{name}: {json.dumps(value)}\\n" for name, value in told.items())

tell("running", message="Profiler job started", phase="Initializing")
time.sleep(2)
tell("running", message="Sweeping parallelization strategies", phase="SweepingPrefill")
time.sleep(2)
if spec["sla"]["ttft"] < 10:
    tell("failed", message="Profiler failed", error="Profiler did not produce a DGD config.")
    sys.exit(0)
here = os.path.dirname(os.path.abspath(__file__))
open(os.path.join(folder, "final_config.yaml"), "w").write(open(os.path.join(here, "made.yaml")).read())
tell("success", message="Profiler completed successfully", phase="Done", outputs={"final_config": "final_config.yaml"})
print("asked for", json.dumps(spec))
"""
CONTAINER = {
    "name": "profiler",
    "env": [{"name": "PYTHONPATH", "value": "/workspace"}],
    "volumeMounts": [{"name": "program", "mountPath": "/workspace/dynamo/profiler"}],
}
VOLUME = {"name": "program", "configMap": {"name": "program"}}
MOUNTED = {"template": {"spec": {"containers": [CONTAINER], "volumes": [VOLUME]}}}


def apply(journey: Journey, made: dict[str, Any], **spec: Any) -> None:
    files = {"__init__.py": "", "__main__.py": PROGRAM, "made.yaml": yaml.safe_dump(made)}
    metadata = {"name": "program", "namespace": journey.namespace}
    journey.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files})
    journey.apply(
        {"dgdr.nvidia.com/profiler": "image"},
        backend="vllm",
        image=image(Target.DYNAMO, MOVING_TAG),
        runtimeVersionOverride="1.6.1",
        overrides={"profilingJob": MOUNTED},
        **spec,
    )


def test_deployment_that_it_makes_is_deployed_and_answers(api: Client, namespace: str) -> None:
    made = graph("elsewhere", "vllm-agg", Backend.VLLM, Mode.AGGREGATED)
    with Journey(api, namespace, "upstream") as journey:
        apply(journey, made)
        assert journey.wait(lambda: journey.status().get("profilingPhase") == "SweepingPrefill", 90), journey.status()
        assert journey.condition("Profiling")["message"] == "Sweeping parallelization strategies"
        assert journey.reaches("Deployed", "Failed") == "Deployed", journey.status()["conditions"]
        assert journey.condition("ProfilingComplete")["message"] == (
            f"{image(Target.DYNAMO, MOVING_TAG)} made a deployment of 2 GPUs and gives no estimates of it"
        )
        deployed = api.request("GET", journey.graph_path)
        assert [c["podTemplate"]["spec"] for c in deployed["spec"]["components"]] == [
            c["podTemplate"]["spec"] for c in made["spec"]["components"]
        ]
        answer = Endpoint(api, namespace, "upstream-dgd").chat(MODEL, "Why is the sky blue?", 12)
        assert answer["usage"]["completion_tokens"] == 12
        output = api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/dgdr-output-upstream")
        (written,) = yaml.safe_load_all(output["data"]["final_config.yaml"])
        assert written["metadata"]["name"] == "upstream-dgd"
        assert len(journey.jobs) == 1
        api.request("DELETE", journey.path)
    api.request("DELETE", journey.graph_path)


def test_its_own_words_say_why_it_has_failed(api: Client, namespace: str) -> None:
    with Journey(api, namespace, "refused") as journey:
        apply(journey, {}, sla={"ttft": 5, "itl": 5})
        assert journey.reaches("Deployed", "Failed") == "Failed"
        assert "Profiler did not produce a DGD config." in json.dumps(journey.condition("Profiling"))
        assert len(journey.jobs) == 1
        api.request("DELETE", journey.path)
