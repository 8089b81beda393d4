from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.candidate import Candidate, Mode, Role
from dgdr_api.defaults import Cache
from dgdr_api.v1beta1 import Backend
from dgdr_controller.deployment.render import GraphRequest, render, unrenderable
from dgdr_controller.manifest import dump_documents, load_documents
from dgdr_controller.settings import Settings

REQUEST = GraphRequest(
    name="qwen",
    namespace="team",
    uid="0b6c",
    model="Qwen/Qwen3-32B",
    served_name="qwen3",
    image=None,
    runtime_version=None,
)


def args_of(component: object) -> list[str]:
    return component["podTemplate"]["spec"]["containers"][0]["args"]  # type: ignore[index, no-any-return]


def value_after(args: list[str], *flags: str) -> str | None:
    return next((args[i + 1] for i, arg in enumerate(args[:-1]) if arg in flags), None)


@given(data=st.data(), replicas=st.integers(1, 4))
def test_gpus_flags_and_replicas_add_up_to_the_candidate(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate], replicas: int
) -> None:
    candidate = data.draw(candidates).scaled(replicas)
    assert unrenderable(candidate, gpus_per_node=8) is None
    components = render(candidate, REQUEST, Settings()).manifest()["spec"]["components"]  # type: ignore[index, call-overload]
    engines = [c for c in components if c["type"] != "frontend"]  # type: ignore[index, union-attr, call-overload]
    total = 0
    for component, worker in zip(engines, candidate.workers, strict=True):
        args = args_of(component)
        tp = int(value_after(args, "--tensor-parallel-size", "--tp-size") or 0)
        pp = int(value_after(args, "--pipeline-parallel-size", "--pp-size") or 1)
        limit = int(component["podTemplate"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])  # type: ignore[index, call-overload, arg-type]
        assert limit == tp * pp == worker.parallelism.gpus
        assert component["replicas"] == worker.count * replicas  # type: ignore[index, call-overload]
        total += limit * worker.count * replicas
        assert value_after(args, "--served-model-name") == "qwen3"
        assert value_after(args, "--model", "--model-path") == "Qwen/Qwen3-32B"
        length = value_after(args, "--max-model-len", "--context-length", "--max-seq-len")
        assert length == str(candidate.context_length)
        batch = value_after(args, "--max-num-seqs", "--max-running-requests", "--max-batch-size")
        unbounded = candidate.backend is Backend.SGLANG and worker.role is Role.PREFILL
        assert batch == (None if unbounded else str(worker.batch))
        role = value_after(args, "--disaggregation-mode")
        assert role == (worker.role.value if candidate.mode is Mode.DISAGGREGATED else None)
    assert total == candidate.gpus


@given(data=st.data())
def test_the_same_candidate_gives_the_same_bytes_and_survives_yaml(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate]
) -> None:
    candidate = data.draw(candidates)
    read_back = Candidate.model_validate_json(candidate.model_dump_json())
    assert read_back == candidate
    manifests = [render(c, REQUEST, Settings()).manifest() for c in (candidate, read_back)]
    texts = [dump_documents([manifest]) for manifest in manifests]
    assert texts[0] == texts[1]
    assert load_documents(texts[0]) == [manifests[0]]


@given(data=st.data())
def test_a_model_cache_is_mounted_read_only_everywhere(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate]
) -> None:
    candidate = data.draw(candidates)
    by_path = replace(REQUEST, cache=Cache("claim", "a", "/models"), model="/models/a")
    by_id = replace(REQUEST, cache=Cache("claim", None, "/models"))
    for request, home in ((by_path, None), (by_id, "/models")):
        for component in render(candidate, request, Settings()).spec.components:
            pod = component.pod_template.spec
            (container,), (volume,) = pod.containers, pod.volumes or ()
            assert volume.persistent_volume_claim.claim_name == "claim"
            (mount,) = container.volume_mounts or ()
            assert (mount.name, mount.mount_path, mount.read_only) == (volume.name, "/models", True)
            env = {each.name: each.value for each in container.env or ()}
            assert env.get("HF_HUB_CACHE") == home
            if home:  # the hub's library writes locks into its home, which the mount refuses
                assert not env["HF_HOME"].startswith(home)
                assert env["HF_HUB_OFFLINE"] == "1"


@given(data=st.data())
def test_without_a_model_cache_nothing_is_mounted(
    data: st.DataObject, candidates: st.SearchStrategy[Candidate]
) -> None:
    text = dump_documents([render(data.draw(candidates), REQUEST, Settings()).manifest()])
    assert "volume" not in text
    assert "env:" not in text
