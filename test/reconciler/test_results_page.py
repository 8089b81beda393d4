"""The results page: its objects are there for whoever looks before anything is deployed, and for nobody else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import (
    DEPLOYMENTS,
    NETWORK_POLICIES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
    Named,
)
from dgdr_controller.manifest import Manifest
from dgdr_controller.reconciler.observed_state import ObservedState
from dgdr_controller.reconciler.results_page import ResultsPages, unwanted, wanted_objects
from dgdr_controller.runtime import Client, EventRecorder, ObjectMeta, Resource
from dgdr_controller.runtime.testing.server import FakeApiServer, Fault
from test.builders.trials import measuring

KINDS = ("ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Service", "Deployment")
WRITTEN: tuple[Resource[Any], ...] = (
    *(SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, NETWORK_POLICIES, SERVICES, DEPLOYMENTS),
)


def deployment(made: list[Manifest], **metadata: Any) -> Named:
    """Return the page's Deployment, as the API server has it."""
    manifest = made[-1]
    found: Named = DEPLOYMENTS.decode(
        msgspec.json.encode(manifest | {"metadata": manifest["metadata"] | {"uid": "page-1"} | metadata})
    )
    return found


def by_itself(observed: ObservedState) -> ObservedState:
    """Return the request with autoApply on."""
    spec = observed.request.spec.model_copy(update={"auto_apply": True})
    return replace(observed, request=observed.request.model_copy(update={"spec": spec}))


def test_page_of_a_request_that_is_looked_at_first_is_served(ready_state: ObservedState) -> None:
    made = wanted_objects(ready_state)
    assert tuple(manifest["kind"] for manifest in made) == KINDS
    for manifest in made:
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("DynamoGraphDeploymentRequest", "qwen")


def test_page_may_read_this_request_and_annotate_it_and_nothing_else(ready_state: ObservedState) -> None:
    (role,) = [manifest for manifest in wanted_objects(ready_state) if manifest["kind"] == "Role"]
    assert {(rule["resources"][0], *rule["resourceNames"]): rule["verbs"] for rule in role["rules"]} == {
        ("dynamographdeploymentrequests", "qwen"): ["get", "list", "watch", "patch"],
        ("dynamographdeployments", "qwen-dgd"): ["get", "list", "watch"],
        ("configmaps", "dgdr-output-qwen"): ["get", "list", "watch"],
    }


def test_service_leads_to_the_pod_and_the_policy_keeps_others_away(ready_state: ObservedState) -> None:
    made = {manifest["kind"]: manifest for manifest in wanted_objects(ready_state)}
    labels = made["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selector = made["Service"]["spec"]["selector"]
    assert selector.items() <= labels.items()
    assert made["NetworkPolicy"]["spec"] == {"podSelector": {"matchLabels": selector}, "policyTypes": ["Ingress"]}
    (port,) = made["Service"]["spec"]["ports"]
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert (port["port"], port["targetPort"]) == (80, container["ports"][0]["containerPort"])
    assert "nvidia.com/dgdr-name" not in labels, "it is no pod of the profiling or of the deployment"


def test_page_that_is_there_is_left_alone_until_its_inputs_change(ready_state: ObservedState) -> None:
    there = replace(ready_state, results_page=deployment(wanted_objects(ready_state)))
    assert wanted_objects(there) == []
    image = there.settings.profiling.model_copy(update={"publisher_image": "registry/controller:2"})
    upgraded = replace(there, settings=there.settings.model_copy(update={"profiling": image}))
    assert len(wanted_objects(upgraded)) == len(KINDS)


def test_request_that_is_deployed_by_itself_has_none(ready_state: ObservedState) -> None:
    page = deployment(wanted_objects(ready_state))
    switched = by_itself(replace(ready_state, results_page=page))
    assert wanted_objects(switched) == []
    assert unwanted(switched) == page
    assert unwanted(replace(ready_state, results_page=page)) is None


def test_page_of_somebody_else_is_not_removed(ready_state: ObservedState) -> None:
    owner = {"kind": "X", "name": "x", "uid": "other", "controller": True, "apiVersion": "v1"}
    theirs = deployment(wanted_objects(ready_state), ownerReferences=[owner])
    assert unwanted(by_itself(replace(ready_state, results_page=theirs))) is None


def test_setting_switches_it_off(ready_state: ObservedState) -> None:
    off = replace(ready_state, settings=ready_state.settings.model_copy(update={"results_page": False}))
    assert wanted_objects(off) == []


def test_partial_results_of_a_thorough_search_are_shown_while_it_measures() -> None:
    assert len(wanted_objects(measuring(spec={"autoApply": False}))) == len(KINDS)


def test_rapid_search_is_over_before_a_page_would_be_there(profiling_state: ObservedState) -> None:
    spec = profiling_state.request.spec.model_copy(update={"auto_apply": False})
    observed = replace(profiling_state, request=profiling_state.request.model_copy(update={"spec": spec}))
    assert observed.phase is Phase.PROFILING
    assert wanted_objects(observed) == []


@contextlib.asynccontextmanager
async def serving(
    server: FakeApiServer, at: list[float]
) -> AsyncIterator[Callable[[ObservedState], Awaitable[float | None]]]:
    """Yield what serves the page of a request, and says when to look again."""
    for resource in WRITTEN:
        server.serve(resource)
    async with Client(server.config) as client:
        pages = ResultsPages(client, EventRecorder(client, "test"), lambda: at[0])

        async def serve(observed: ObservedState) -> float | None:
            meta = ObjectMeta(name="qwen", namespace="team", uid=observed.uid, resource_version="1")
            return await pages.serve(observed, meta)

        yield serve


def kinds_of(server: FakeApiServer) -> list[str]:
    return [resource.kind for resource in WRITTEN if server.objects(resource)]


@pytest.mark.parametrize("refused", [resource for resource in WRITTEN if resource is not DEPLOYMENTS])
@pytest.mark.parametrize("code", [403, 422])
def test_pod_never_runs_without_what_comes_before_it(
    ready_state: ObservedState, refused: Resource[Any], code: int
) -> None:
    async def story() -> None:
        at = [1000.0]
        async with FakeApiServer() as server, serving(server, at) as serve:
            status = {"kind": "Status", "reason": "Forbidden", "message": "exceeded quota", "code": code}
            of_kind = Fault(lambda r: f"/{refused.plural}/" in r.path and r.method == "PATCH", code, body=status)
            server.faults.append(of_kind)
            assert await serve(ready_state) == 300
            assert kinds_of(server) == [resource.kind for resource in WRITTEN[: WRITTEN.index(refused)]]
            assert await serve(ready_state) == 300, "nothing is written before"
            at[0] += 301
            assert await serve(ready_state) is None
            assert kinds_of(server) == list(KINDS), "what was refused for a while is there then"

    asyncio.run(story())


def test_account_of_somebody_else_runs_no_page(ready_state: ObservedState) -> None:
    async def story() -> None:
        async with FakeApiServer() as server, serving(server, [0.0]) as serve:
            server.put(SERVICE_ACCOUNTS, {"metadata": {"name": "qwen-dgdr", "namespace": "team"}})
            await serve(ready_state)
            assert kinds_of(server) == ["ServiceAccount"]

    asyncio.run(story())
