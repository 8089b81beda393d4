"""Which operators are there, which version of deployments is served, is the user's own deployment there."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from dgdr_api.names import ANNOTATION_PRESERVED
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import GRAPHS, GRAPHS_V1ALPHA1, JOBS, Graph
from dgdr_controller.reconciler.discovery import MULTINODE, Discovery
from dgdr_controller.reconciler.generation import generate
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.phases.deploying import deploying
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.served_version import served_graphs
from dgdr_controller.reconciler.service_names import ServiceNames
from dgdr_controller.runtime import Client, Resource, decode_dict
from dgdr_controller.runtime.testing.server import FakeApiServer, Fault
from test.builders.observed_state import after, graph_of, observed_of, published_of, request_of, said
from test.builders.results import results_of

GROVE = Resource("grove.io", "v1alpha1", "podcliquesets", "PodCliqueSet", decode=decode_dict)
BASE = """
apiVersion: nvidia.com/v1beta1
kind: DynamoGraphDeployment
metadata: {name: theirs}
spec:
  components:
    - {name: Frontend, type: frontend}
    - name: engine
      type: worker
      podTemplate: {spec: {containers: [{name: main, image: "r.io/own:1.6.1", args: [--seed, "7"]}]}}
"""


def test_grove_is_looked_for_every_half_minute() -> None:
    async def story() -> None:
        now = 0.0
        async with FakeApiServer() as server, Client(server.config) as client:
            groups = Discovery(client, lambda: now)
            server.serve(JOBS)
            assert not await groups.serves_any(MULTINODE)
            server.serve(GROVE)
            assert not await groups.serves_any(MULTINODE)
            now = 31.0
            assert await groups.serves_any(MULTINODE)
            assert [path for _, path, _ in server.requests] == ["/apis"] * 2

    asyncio.run(story())


def test_engines_stay_within_a_node_without_grove() -> None:
    observed = replace(observed_of(), multinode=True)
    begun = pending(replace(observed, request=after(observed, pending(observed)).request))
    alone = pending(after(observed_of(), pending(observed_of())))
    assert [decision.status.hardware and decision.status.hardware.multinode for decision in (begun, alone)] == [
        True,
        False,
    ]


@pytest.mark.parametrize("served", [GRAPHS, GRAPHS_V1ALPHA1])
def test_version_that_is_served_is_found(served: Resource[Graph]) -> None:
    async def story() -> None:
        async with FakeApiServer() as server, Client(server.config) as client:
            server.serve(served)
            assert await served_graphs(client) == served

    asyncio.run(story())


def test_newest_version_is_looked_for_later_where_none_is_served_or_nobody_answers() -> None:
    async def story() -> None:
        async with FakeApiServer() as server, Client(server.config) as client:
            assert await served_graphs(client) == GRAPHS
            server.faults.append(Fault(lambda request: request.path.startswith("/apis"), status=403, times=9))
            assert await served_graphs(client) == GRAPHS

    asyncio.run(story())


def test_dynamo_1_1_gets_the_version_that_it_knows(profiling_state: ObservedState) -> None:
    observed = replace(profiling_state, graphs=GRAPHS_V1ALPHA1)
    told = published_of(observed, results_of())
    decision = generate(replace(observed, **told), told["output"])
    observed = after(observed, decision)
    results = decision.status.profiling_results
    assert results is not None
    config = dict(results.selected_config or {})
    assert config["apiVersion"] == "nvidia.com/v1alpha1"
    (ensured,) = deploying(observed).ensure
    services: Any = ensured.manifest["spec"]["services"]
    assert services["worker"]["resources"] == {"limits": {"gpu": "2"}}
    made = graph_of(config, services={"worker": {"replicas": 2, "availableReplicas": 1}}, state="pending")
    info = deploying(replace(observed, graph=made)).status.deployment_info
    assert info is not None
    assert (info.replicas, info.available_replicas) == (2, 1)


# v1alpha1's base deployment


def based(observed: ObservedState, text: str | None) -> ObservedState:
    annotations = {ANNOTATION_PRESERVED: json.dumps({"profilingConfig": {"configMapRef": {"name": "base"}}})}
    metadata = observed.request.metadata.model_copy(update={"annotations": annotations})
    return replace(observed, request=observed.request.model_copy(update={"metadata": metadata}), base=text)


def test_base_that_is_missing_is_waited_for() -> None:
    observed = based(after(observed_of(), pending(observed_of())), None)
    decision = pending(observed)
    assert decision.status.phase is Phase.PENDING
    assert said(decision, "Profiling")[1:] == (
        "WaitingForConfigMap",
        "ConfigMap base not found in namespace team, or key disagg.yaml not found in it (since 2026-01-02 03:04 UTC)",
    )
    assert decision.after_s == 30
    assert pending(replace(observed, base=BASE)).status.phase is Phase.PROFILING


def test_base_that_is_no_deployment_fails() -> None:
    observed = based(after(observed_of(request_of()), pending(observed_of())), "{")
    decision = pending(observed)
    assert decision.status.phase is Phase.FAILED
    assert "(document): Invalid value" in said(decision, "Validation")[2]


def test_plan_is_put_into_it(profiling_state: ObservedState) -> None:
    observed = based(profiling_state, BASE)
    told = published_of(observed, results_of())
    decision = generate(replace(observed, **told), told["output"])
    results = decision.status.profiling_results
    assert results is not None
    assert '"r.io/own:1.6.1"' in json.dumps(results.selected_config)


def test_base_that_is_gone_is_not_replaced_by_our_own(profiling_state: ObservedState) -> None:
    observed = based(profiling_state, None)
    told = published_of(observed, results_of())
    decision = generate(replace(observed, **told), told["output"])
    assert decision.status.phase is Phase.FAILED
    assert 'configMapRef: "base": does not exist any more' in said(decision, "SpecGenerated")[2]


def test_override_that_is_not_for_the_choice_fails_with_its_path(profiling_state: ObservedState) -> None:
    overrides = {"dgd": {"spec": {"services": {"prefill": {"replicas": 1}}}}}
    spec = request_of(overrides=overrides).spec
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    told = published_of(observed, results_of())
    decision = generate(replace(observed, **told), told["output"])
    assert decision.status.phase is Phase.FAILED
    assert 'spec.overrides.dgd.spec.services.prefill: Invalid value: "prefill"' in said(decision, "SpecGenerated")[2]


# The planner's Prometheus


@pytest.mark.parametrize(
    ("sla", "found", "told"), [({"ttft": 300}, False, True), ({"ttft": 300}, None, False), ({}, False, False)]
)
def test_planner_that_would_wait_for_metrics_is_told_of(
    profiling_state: ObservedState, sla: dict[str, float], found: Any, told: Any
) -> None:
    spec = request_of(sla=sla, features={"planner": True}).spec
    request = profiling_state.request.model_copy(update={"spec": spec})
    observed = replace(profiling_state, request=request, prometheus=found)
    published = published_of(observed, results_of())
    decision = generate(replace(observed, **published), published["output"])
    conditions = {condition.type: condition.message for condition in decision.status.conditions or ()}
    assert ("does not resolve in this cluster" in conditions.get("ConfigurationWarning", "")) is told


def test_names_are_asked_for_inside_a_cluster_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        asked: list[str] = []

        async def look(host: str, _: object) -> list[str]:
            asked.append(host)
            if host.startswith("gone"):
                raise OSError(host)
            return ["there"]

        names = ServiceNames()
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look, raising=False)
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        assert await names.resolves("http://prometheus.monitoring.svc:9090") is None
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        assert await names.resolves("http://prometheus.example.com") is None
        assert not asked
        for _ in range(2):
            assert await names.resolves("http://prometheus.monitoring.svc:9090") is True
            assert await names.resolves("http://gone.monitoring.svc.cluster.local:9090") is False
        assert asked == ["prometheus.monitoring.svc", "gone.monitoring.svc.cluster.local"]

    asyncio.run(story())
