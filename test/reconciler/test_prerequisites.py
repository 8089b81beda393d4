"""What a request needs and the cluster does not have: what keeps it waiting, what is a warning, and what is neither."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgdr_api.names import ANNOTATION_RETRY
from dgdr_api.v1beta1 import Condition, DgdrStatus, Phase
from dgdr_controller.kinds import Claim, ClaimSpec, ClaimStatus, Meta, Named
from dgdr_controller.reconciler import prerequisites
from dgdr_controller.reconciler.decision import Decision, enter
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObjectName, ObservedState
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.phases.profiling import profiling
from dgdr_controller.settings import HardwareSettings, ProfilingSettings, RightsSettings, Settings
from test.builders.observed_state import NODE, NOW, after, in_phase, observed_of, published_of, request_of, said
from test.builders.results import results_of

MODELS = ObjectName("PersistentVolumeClaim", "models")
ROBOT, KEYS, TEXT = ObjectName("ServiceAccount", "robot"), ObjectName("Secret", "keys"), ObjectName("ConfigMap", "text")
REGISTRY, TOKEN = ObjectName("Secret", "registry"), ObjectName("Secret", "hf-token-secret")
HARDWARE: dict[str, Any] = {"gpuSku": "h200_sxm", "totalGpus": 8}
CACHE: dict[str, Any] = {"modelCache": {"pvcName": "models"}, "hardware": HARDWARE}


def claim(*modes: str, phase: str = "Bound", deleted: bool = False) -> Claim:
    metadata = Meta("models", deletion_timestamp=NOW if deleted else None)
    return Claim(metadata, ClaimSpec(modes or ("ReadWriteMany",)), ClaimStatus(phase))


def named(name: ObjectName) -> Named:
    return Named(Meta(name.name))


def begun(*, settings: Settings | None = None, seen: dict[str, Any] | None = None, **spec: Any) -> ObservedState:
    """A request whose phase is Pending."""
    fields = {"dynamo": True, "multinode": True} | (seen or {})
    observed = observed_of(request_of(**spec), **fields)
    observed = replace(observed, settings=settings) if settings else observed
    return in_phase(Phase.PENDING, observed, pending(observed))


def decided(observed: ObservedState) -> Decision:
    return prerequisites.with_warnings(observed, pending(observed))


def warning(decision: Decision) -> str:
    found = [c.message for c in decision.status.conditions or () if c.type == "PrerequisiteWarning"]
    return found[0] if found else ""


# --- Claims


WAITS, WARNS, SUITS = "waits", "warns", "suits"


@pytest.mark.parametrize(
    ("found", "outcome", "words"),
    [
        (None, WAITS, "PersistentVolumeClaim models does not exist in this namespace; create it, or change spec.model"),
        (claim(deleted=True), WAITS, "PersistentVolumeClaim models is being deleted; create it again once it is gone"),
        (claim(phase="Lost"), WAITS, "PersistentVolumeClaim models has lost its volume; delete the claim and create"),
        (claim("ReadWriteOncePod"), WAITS, "has access mode ReadWriteOncePod, and several pods of a deployment mount"),
        (claim("ReadWriteOnce"), WARNS, "has access mode ReadWriteOnce, so pods on a second node cannot mount it; use"),
        (claim("ReadWriteOnce", "ReadOnlyMany"), SUITS, ""),
        (claim("ReadOnlyMany"), SUITS, ""),
        (claim("ReadWriteMany"), SUITS, ""),
        (claim(phase="Pending"), WARNS, "PersistentVolumeClaim models has no volume yet; pods that mount it wait for"),
    ],
)
def test_claim_with_the_model(found: Claim | None, outcome: str, words: str) -> None:
    decision = decided(begun(**CACHE, seen={"objects": {MODELS: found}}))
    if outcome == WAITS:
        assert decision.status.phase is Phase.PENDING
        assert not decision.ensure
        status, reason, message = said(decision, "Profiling")
        assert (status, reason) == ("False", "WaitingForClaim")
        assert words in message
        assert said(decision, "Succeeded") == ("False", reason, message)  # what kubectl get shows
        assert [(event.reason, event.warning) for event in decision.events] == [("WaitingForClaim", True)]
    else:
        assert decision.status.phase is Phase.PROFILING
        assert words in warning(decision)
        assert bool(warning(decision)) is (outcome == WARNS)
    assert decision.awaits == (frozenset() if outcome == SUITS else {MODELS})


def test_access_mode_does_not_matter_on_a_single_node() -> None:
    seen = {"objects": {MODELS: claim("ReadWriteOnce")}, "several_nodes": False}
    assert warning(decided(begun(**CACHE, seen=seen))) == ""


def test_of_what_is_not_known_nothing_is_said() -> None:
    decision = decided(begun(**CACHE))
    assert decision.status.phase is Phase.PROFILING
    assert (warning(decision), decision.awaits) == ("", frozenset())


def test_claim_that_comes_lets_the_request_go_on() -> None:
    observed = begun(**CACHE, seen={"objects": {MODELS: None}})
    waiting = decided(observed)
    again = after(observed, waiting, s=30)
    assert decided(again).status == again.status  # nothing is written twice
    assert not decided(again).events
    mended = decided(replace(again, objects={MODELS: claim()}))
    assert mended.status.phase is Phase.PROFILING
    doing = "Profiling is in progress: Discovering GPU hardware and preparing profiling job"
    assert said(mended, "Succeeded")[1:] == ("Profiling", doing)


# --- Other objects of the Job


def overridden(**pod: Any) -> dict[str, Any]:
    return {"hardware": HARDWARE, "overrides": {"profilingJob": {"template": {"spec": pod}}}}


OBJECTS: dict[ObjectName, tuple[dict[str, Any], str]] = {
    ROBOT: ({"serviceAccountName": "robot"}, "WaitingForServiceAccount"),
    KEYS: ({"volumes": [{"name": "k", "secret": {"secretName": "keys"}}]}, "WaitingForSecret"),
    TEXT: ({"volumes": [{"name": "t", "configMap": {"name": "text"}}]}, "WaitingForConfigMap"),
    MODELS: ({"volumes": [{"name": "m", "persistentVolumeClaim": {"claimName": "models"}}]}, "WaitingForClaim"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_object_that_the_job_does_not_start_without_is_waited_for(name: ObjectName) -> None:
    pod, reason = OBJECTS[name]
    missing = pending(begun(**overridden(**pod), seen={"objects": {name: None}}))
    assert said(missing, "Profiling")[:2] == ("False", reason)
    assert f"{name.kind} {name.name} does not exist in this namespace" in said(missing, "Profiling")[2]
    assert "spec.overrides.profilingJob.template.spec." in said(missing, "Profiling")[2]
    found = claim("ReadWriteOnce") if name is MODELS else named(name)
    there = decided(begun(**overridden(**pod), seen={"objects": {name: found}}))
    assert (there.status.phase, warning(there)) == (Phase.PROFILING, "")


def test_all_that_is_missing_is_told_at_once_and_the_first_is_the_reason() -> None:
    pods = [OBJECTS[name][0] for name in (ROBOT, KEYS)]
    spec: dict[str, Any] = overridden(**pods[0], **pods[1]) | {"modelCache": {"pvcName": "models"}}
    decision = pending(begun(**spec, seen={"objects": {MODELS: None, ROBOT: None, KEYS: None}}))
    _, reason, message = said(decision, "Profiling")
    assert reason == "WaitingForClaim"
    assert [part.split(" does not exist")[0] for part in message.split("; ") if "does not exist" in part] == [
        "PersistentVolumeClaim models",
        "ServiceAccount robot",
        "Secret keys",
    ]
    assert decision.awaits == {MODELS, ROBOT, KEYS}


def test_missing_hardware_does_not_hide_what_else_is_missing() -> None:
    decision = decided(begun(modelCache={"pvcName": "models"}, seen={"objects": {MODELS: None}, "nodes": ()}))
    _, reason, message = said(decision, "Profiling")
    assert reason == "WaitingForHardware"
    assert "GPU hardware info required" in message
    assert "; PersistentVolumeClaim models does not exist" in message
    assert decision.awaits == {ClusterState.GPUS, MODELS}


# --- What may work


def test_missing_secret_for_pulling_is_a_warning() -> None:
    settings = Settings(profiling=ProfilingSettings(pull_secrets=("registry",)), rights=RightsSettings(mode="enforce"))
    decision = decided(begun(hardware=HARDWARE, settings=settings, seen={"objects": {REGISTRY: None}}))
    assert decision.status.phase is Phase.PROFILING
    assert warning(decision) == (
        "Secret registry does not exist in this namespace; create it, or change DGDR_PROFILING__PULL_SECRETS. Without "
        "it only public images can be pulled"
    )
    doing = "Profiling is in progress: Discovering GPU hardware and preparing profiling job"
    assert said(decision, "Succeeded")[2] == f"{doing}. {warning(decision)}"
    assert ("PrerequisiteWarning", True) in [(event.reason, event.warning) for event in decision.events]
    there = decided(begun(hardware=HARDWARE, settings=settings, seen={"objects": {REGISTRY: named(REGISTRY)}}))
    assert warning(there) == ""


def test_gated_model_without_a_token_is_a_warning() -> None:
    model = "meta-llama/Llama-3.1-8B-Instruct"
    decision = decided(begun(model=model, hardware=HARDWARE, seen={"objects": {TOKEN: None}}))
    assert decision.status.phase is Phase.PROFILING
    assert f"Model {model} is gated on HuggingFace, and Secret hf-token-secret does not exist" in warning(decision)
    assert decision.awaits == {TOKEN}


def test_object_of_the_deployment_is_a_warning() -> None:
    pod = {"serviceAccountName": "robot"}
    kind = {"apiVersion": "nvidia.com/v1beta1", "kind": "DynamoGraphDeployment"}
    override = kind | {"spec": {"components": [{"name": "worker", "podTemplate": {"spec": pod}}]}}
    spec: dict[str, Any] = {"hardware": HARDWARE, "overrides": {"dgd": override}}
    decision = decided(begun(**spec, seen={"objects": {ROBOT: None}}))
    assert decision.status.phase is Phase.PROFILING
    assert "ServiceAccount robot does not exist in this namespace" in warning(decision)


def test_missing_dynamo_is_a_warning_until_it_is_waited_for() -> None:
    observed = begun(hardware=HARDWARE, seen={"dynamo": False})
    decision = decided(observed)
    assert decision.status.phase is Phase.PROFILING
    assert "does not serve DynamoGraphDeployments" in warning(decision)
    assert decision.awaits == {ClusterState.DYNAMO}
    deploying = Decision(enter(observed, Phase.DEPLOYING))
    assert warning(prerequisites.with_warnings(observed, deploying)) == ""


# --- GPUs


TWO = (NODE, replace(NODE, node="n2"))


@pytest.mark.parametrize(
    ("hardware", "nodes", "words"),
    [
        (HARDWARE, (NODE,), ""),
        (HARDWARE | {"totalGpus": 16}, TWO, ""),
        (HARDWARE | {"totalGpus": 16}, (NODE,), "totalGpus is 16, and the cluster has 8 h200_sxm GPUs; pods that get"),
        (
            HARDWARE | {"totalGpus": 16},
            (replace(NODE, used=3),),
            "totalGpus is 16, and the cluster has 8 h200_sxm GPUs, 5 free; pods that get no GPU wait for one. Add nodes",
        ),
        (HARDWARE, (), "totalGpus is 8, and the cluster has no h200_sxm GPUs that pods can get; pods that get no GPU"),
        (HARDWARE, (replace(NODE, out="it is cordoned"),), "and the cluster has no h200_sxm GPUs that pods can get"),
        (HARDWARE, (replace(NODE, used=8),), "All GPUs are in use: the cluster has 8 h200_sxm GPUs, 0 free; pods of"),
        ({}, (replace(NODE, used=8),), "All GPUs are in use: the cluster has 8 h200_sxm GPUs, 0 free"),
        ({}, (replace(NODE, used=7),), ""),
        ({"gpuSku": "l4", "totalGpus": 1}, (replace(NODE, used=8),), "the cluster has no l4 GPUs that pods can get"),
    ],
)
def test_gpus_for_a_plan(hardware: dict[str, Any], nodes: Any, words: str) -> None:
    decision = decided(begun(hardware=hardware or None, seen={"nodes": nodes}))
    assert decision.status.phase is Phase.PROFILING
    assert words in warning(decision)
    assert bool(warning(decision)) is bool(words)
    assert decision.awaits == ({ClusterState.GPUS} if words else frozenset())


@pytest.mark.parametrize(
    ("hardware", "nodes", "words"),
    [
        (HARDWARE, (NODE,), ""),
        (HARDWARE, (replace(NODE, used=0),), ""),
        (HARDWARE, (replace(NODE, used=1),), ""),  # measured deployments wait for theirs by themselves
        (HARDWARE, (replace(NODE, used=8),), "1 h200_sxm GPU is needed, the cluster has 8 h200_sxm GPUs, 0 free"),
        (HARDWARE | {"totalGpus": 16}, (NODE,), "16 h200_sxm GPUs are needed, the cluster has 8 h200_sxm GPUs. Add"),
        (HARDWARE, (), "8 h200_sxm GPUs are needed, the cluster has no h200_sxm GPUs that pods can get"),
        ({}, (replace(NODE, used=7),), ""),
        ({}, (replace(NODE, used=8),), "1 h200_sxm GPU is needed, the cluster has 8 h200_sxm GPUs, 0 free"),
    ],
)
def test_gpus_for_measuring(hardware: dict[str, Any], nodes: Any, words: str) -> None:
    spec: dict[str, Any] = {"searchStrategy": "thorough", "hardware": hardware or None}
    observed = begun(**spec, seen={"nodes": nodes})
    decision = decided(observed)
    assert decision.status.phase is (Phase.PENDING if words else Phase.PROFILING)
    if words:
        _, reason, message = said(decision, "Profiling")
        assert reason == "WaitingForGpus"
        assert message.startswith("Cluster does not have enough GPUs for profiling: ")
        assert words in message
        assert said(decision, "Succeeded")[1:] == (reason, message)
        assert decision.awaits == {ClusterState.GPUS}
        mended = decided(replace(after(observed, decision), nodes=TWO))
        assert mended.status.phase is Phase.PROFILING


@pytest.mark.parametrize("strategy", ["rapid", "thorough"])
def test_gpus_are_not_compared_where_nobody_counts_them_or_needs_them(strategy: str) -> None:
    alone = Settings(hardware=HardwareSettings(discovery=False), rights=RightsSettings(mode="enforce"))
    spec: dict[str, Any] = {"hardware": HARDWARE, "searchStrategy": strategy}
    for observed in (
        begun(**spec, settings=alone, seen={"nodes": ()}),
        begun(**spec, features={"mocker": True}, seen={"nodes": ()}),
    ):
        decision = decided(observed)
        assert (decision.status.phase, warning(decision)) == (Phase.PROFILING, "")


@pytest.mark.parametrize(
    ("total", "multinode", "words"),
    [
        (16, False, "has neither Grove nor LeaderWorkerSet, so an engine uses at most the 8 GPUs"),
        (16, True, ""),
        (8, False, ""),
        (None, False, ""),  # most models need no more than a node: the plan says whether one does
    ],
)
def test_engines_over_several_nodes_need_grove_or_lws(total: int | None, multinode: Any, words: str) -> None:
    spec: dict[str, Any] = {"hardware": {"gpuSku": "h200_sxm"} | ({"totalGpus": total} if total else {})}
    decision = decided(begun(**spec, seen={"nodes": TWO, "multinode": multinode}))
    assert words in warning(decision)
    assert bool(warning(decision)) is bool(words)


# --- When warnings come and go


def warned(phase: Phase, message: str = "old") -> DgdrStatus:
    told = Condition(
        type="PrerequisiteWarning",
        status="True",
        reason="PrerequisiteWarning",
        message=message,
        observed_generation=1,
        last_transition_time=NOW,
    )
    return DgdrStatus(phase=phase, observed_generation=1, conditions=(told,))


LATER = [phase for phase in Phase if phase is not Phase.PENDING]


@pytest.mark.parametrize("phase", LATER)
def test_warning_is_shown_until_the_deployment_is_healthy(phase: Phase) -> None:
    request = request_of(**CACHE, status=warned(phase))
    observed = observed_of(request, objects={MODELS: claim("ReadWriteOnce")}, dynamo=True)
    decision = prerequisites.with_warnings(observed, Decision(enter(observed, phase)))
    lasts = phase not in (Phase.DEPLOYED, Phase.FAILED)
    assert bool(warning(decision)) is lasts
    assert "PrerequisiteWarning" not in [event.reason for event in decision.events]  # that was told
    if phase is not Phase.FAILED:
        assert ("ReadWriteOnce" in said(decision, "Succeeded")[2]) is lasts
    assert bool(prerequisites.needs(observed)) is lasts


@pytest.mark.parametrize("phase", LATER)
def test_warning_goes_when_its_cause_is_gone(phase: Phase) -> None:
    observed = observed_of(request_of(**CACHE, status=warned(phase)), objects={MODELS: claim()}, dynamo=True)
    decision = prerequisites.with_warnings(observed, Decision(enter(observed, phase)))
    assert (warning(decision), decision.awaits) == ("", frozenset())


def test_warnings_about_gpus_end_with_the_plan() -> None:
    observed = begun(hardware=HARDWARE | {"totalGpus": 64}, seen={"nodes": (NODE,), "multinode": False})
    observed = in_phase(Phase.PROFILING, observed, decided(observed))
    assert "64" in str([c.message for c in observed.status.conditions or () if c.type == "PrerequisiteWarning"])
    observed = replace(observed, **published_of(observed, results_of()))
    decision = prerequisites.with_warnings(observed, profiling(observed))
    assert decision.status.phase is Phase.DEPLOYING
    assert warning(decision) == ""


def test_warning_stands_until_a_controller_that_has_just_started_has_looked() -> None:
    request = request_of(**CACHE, status=warned(Phase.PROFILING))
    observed = observed_of(request, objects={MODELS: claim()}, nodes=None)
    decision = prerequisites.with_warnings(observed, Decision(observed.status))
    assert decision.status == observed.status
    assert decision.awaits == {ClusterState.GPUS}


def test_nothing_is_said_before_anybody_has_looked() -> None:
    first = observed_of(request_of(**CACHE))
    assert prerequisites.with_warnings(first, pending(first)) == pending(first)
    assert prerequisites.needs(first) == Need(0)
    failed = observed_of(request_of(status=warned(Phase.FAILED), annotations={ANNOTATION_RETRY: "1"}))
    started_over = Decision(enter(failed, Phase.PENDING, reset=True))
    assert prerequisites.with_warnings(failed, started_over) == started_over


CLAIMS = [None, claim(), claim("ReadWriteOnce"), claim("ReadWriteOncePod"), claim(phase="Lost"), claim(deleted=True)]
NODES = [(), (NODE,), (replace(NODE, used=8),), TWO]


@given(st.sampled_from(list(product(CLAIMS, NODES, ["rapid", "thorough"], [8, 16], [True, False], [True, False]))))
def test_request_waits_or_goes_on_and_never_fails(case: Any) -> None:
    found, nodes, strategy, total, dynamo, multinode = case
    spec: dict[str, Any] = CACHE | {"searchStrategy": strategy, "hardware": HARDWARE | {"totalGpus": total}}
    seen = {"objects": {MODELS: found}, "nodes": nodes, "dynamo": dynamo, "multinode": multinode}
    observed = begun(**spec, seen=seen)
    decision = decided(observed)
    assert decision.status.phase in (Phase.PENDING, Phase.PROFILING)
    waits = decision.status.phase is Phase.PENDING
    assert bool(decision.ensure) is not waits
    assert not waits or (decision.awaits and decision.after_s)
    assert bool(warning(decision)) <= bool(decision.awaits)
    # a second look at the same changes nothing, and everything mended leaves nothing behind
    again = after(observed, decision)
    if waits:
        assert decided(again).status == again.status
        good = replace(again, objects={MODELS: claim()}, nodes=TWO, dynamo=True, multinode=True)
        mended = decided(good)
        assert (mended.status.phase, warning(mended), mended.awaits) == (Phase.PROFILING, "", frozenset())
