from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import Nodes, render, unrenderable
from dgdr_controller.manifest import dump_documents, load_documents
from dgdr_controller.settings import Settings

NODES = Nodes(gpus=8)


def manifest_of(candidate: Candidate, request: Any) -> dict[str, Any]:
    return render(candidate, request, Settings()).graph.manifest()


def main_of(component: dict[str, Any]) -> dict[str, Any]:
    (container,) = component["podTemplate"]["spec"]["containers"]
    assert container["name"] == "main"
    return container  # type: ignore[no-any-return]


def value_after(args: list[str], *flags: str) -> str | None:
    return next((args[i + 1] for i, arg in enumerate(args[:-1]) if arg in flags), None)


def world_size(backend: Backend, args: list[str]) -> int:
    """GPUs that the engine takes, by its own rules: vLLM's ranks have tp GPUs each, the others' tp is all of them."""
    tp = int(value_after(args, "--tensor-parallel-size", "--tp-size") or 0)
    pp = int(value_after(args, "--pipeline-parallel-size", "--pp-size") or 1)
    dp = int(value_after(args, "--data-parallel-size") or 1) if backend is Backend.VLLM else 1
    return tp * pp * dp


@given(data=st.data(), replicas=st.integers(1, 4))
def test_gpus_flags_and_replicas_add_up_to_the_candidate(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], graph_request: Any, replicas: int
) -> None:
    candidate = data.draw(candidates).scaled(replicas)
    assume(unrenderable(candidate, NODES) is None)
    manifest = manifest_of(candidate, graph_request())
    engines = [c for c in manifest["spec"]["components"] if c["type"] != "frontend"]
    total = 0
    for component, worker in zip(engines, candidate.workers, strict=True):
        args = main_of(component)["args"]
        limit = int(main_of(component)["resources"]["limits"]["nvidia.com/gpu"])
        nodes = component.get("multinode", {}).get("nodeCount", 1)
        assert limit <= 8
        assert nodes == 1 or limit == 8
        assert limit * nodes == world_size(candidate.backend, args) == worker.parallelism.gpus
        assert component["replicas"] == worker.count * replicas
        total += limit * nodes * component["replicas"]
        assert value_after(args, "--served-model-name") == "org/m"
        assert value_after(args, "--model", "--model-path") == "org/m"
        length = value_after(args, "--max-model-len", "--context-length", "--max-seq-len")
        assert length == str(candidate.context_length)
        role = value_after(args, "--disaggregation-mode")
        assert role == (worker.role.value if candidate.mode is Mode.DISAGGREGATED else None)
        assert len("r-dgd") + len(component["name"]) <= 45
    assert total == candidate.gpus


@given(data=st.data())
def test_batches_and_tokens_are_those_of_one_rank(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], graph_request: Any
) -> None:
    """SGLang shares its requests and chunks out among ranks; the other engines count for each rank."""
    candidate = data.draw(candidates)
    assume(unrenderable(candidate, NODES) is None)
    engines = manifest_of(candidate, graph_request())["spec"]["components"][1:]
    for component, worker in zip(engines, candidate.workers, strict=True):
        args, sglang = main_of(component)["args"], candidate.backend is Backend.SGLANG
        ranks = worker.parallelism.dp if sglang else 1
        batch = value_after(args, "--max-num-seqs", "--max-running-requests", "--max-batch-size")
        unbounded = sglang and worker.role is Role.PREFILL
        assert batch == (None if unbounded else str(worker.batch * ranks))
        tokens = value_after(args, "--max-num-batched-tokens", "--chunked-prefill-size", "--max-num-tokens")
        if tokens is not None:
            assert int(tokens) % ranks == 0
            assert 0 <= int(tokens) // ranks - worker.max_num_tokens < max(256, worker.batch)
        else:
            assert sglang
            assert worker.role is Role.DECODE


@given(data=st.data())
def test_rendering_of_the_same_candidate_has_the_same_bytes_and_survives_yaml(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], graph_request: Any
) -> None:
    candidate = data.draw(candidates)
    assume(unrenderable(candidate, NODES) is None)
    read_back = Candidate.model_validate_json(candidate.model_dump_json())
    assert read_back == candidate
    manifests = [manifest_of(c, graph_request()) for c in (candidate, read_back)]
    texts = [dump_documents([manifest]) for manifest in manifests]
    assert texts[0] == texts[1]
    assert load_documents(texts[0]) == [manifests[0]]


@given(data=st.data())
def test_model_cache_is_mounted_read_only_everywhere(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], graph_request: Any
) -> None:
    candidate = data.draw(candidates)
    assume(unrenderable(candidate, NODES) is None)
    cache = {"pvcName": "claim", "pvcMountPath": "/models"}
    by_path = graph_request(model="/models/a", modelCache=cache | {"pvcModelPath": "a"})
    by_id = graph_request(modelCache=cache)
    absent = graph_request(modelCache=cache, facts={"inCache": False})  # engines download it
    for request, home in ((by_path, None), (by_id, "/models"), (absent, None)):
        for component in manifest_of(candidate, request)["spec"]["components"]:
            (volume,) = component["podTemplate"]["spec"]["volumes"]
            assert volume["persistentVolumeClaim"] == {"claimName": "claim", "readOnly": True}
            (mount,) = main_of(component)["volumeMounts"]
            assert mount == {"name": volume["name"], "mountPath": "/models", "readOnly": True}
            env = {variable["name"]: variable["value"] for variable in main_of(component).get("env", ())}
            assert env.get("HF_HUB_CACHE") == home
            if home:  # the hub's library writes locks into its home, which the mount refuses
                assert not env["HF_HOME"].startswith(home)
            assert env.get("HF_HUB_OFFLINE") == ("1" if home else None)


@given(data=st.data())
def test_rendering_holds_nothing_that_nobody_asked_for(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], graph_request: Any
) -> None:
    candidate = data.draw(candidates)
    assume(unrenderable(candidate, NODES) is None)
    spread = any(worker.parallelism.moe_ep > NODES.gpus for worker in candidate.workers)
    assume(not spread or candidate.backend is not Backend.SGLANG)  # DeepEP has a variable
    text = dump_documents([manifest_of(candidate, graph_request())])
    assert "null" not in text
    for word in ("volume", "env:", "affinity", "tolerations", "rdma", "kv-events", "scalingAdapter", "planner"):
        assert word not in text
