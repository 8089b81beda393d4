"""Roles for people, by name and through the roles that every cluster has."""

import json
from typing import Any

import pytest

pytestmark = pytest.mark.cluster

VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
READ, WRITE = VERBS[:3], VERBS[:-1]
ROLES = {"viewer": READ, "editor": WRITE, "admin": VERBS}
BUILT_IN = {"view": READ, "edit": WRITE, "admin": VERBS}
RESOURCE = "dynamographdeploymentrequests"


@pytest.fixture(scope="module")
def rules(kubectl: Any) -> Any:
    """Return the verbs that a ClusterRole grants on a resource of ours."""

    def granted(role: str, resource: str) -> set[str]:
        found = json.loads(kubectl("get", "clusterrole", role, "-o", "json"))["rules"] or []
        ours = [rule for rule in found if "nvidia.com" in rule["apiGroups"] and resource in rule["resources"]]
        return {verb for rule in ours for verb in rule["verbs"]}

    return granted


@pytest.mark.parametrize("role", ROLES)
def test_role_grants_this_and_no_more(rules: Any, role: str) -> None:
    assert rules(f"dgdr-{role}-role", RESOURCE) == set(ROLES[role])


@pytest.mark.parametrize("role", BUILT_IN)
def test_roles_of_every_cluster_get_it_too(rules: Any, soon: Any, role: str) -> None:
    soon(lambda: rules(role, RESOURCE) == set(BUILT_IN[role]))


@pytest.mark.parametrize("role", [*(f"dgdr-{role}-role" for role in ROLES), *BUILT_IN])
def test_status_is_the_controllers_to_write(rules: Any, soon: Any, role: str) -> None:
    soon(lambda: rules(role, f"{RESOURCE}/status") == {"get"})


def test_editor_is_refused_the_status_by_the_api_server(people: Any, refusal: Any) -> None:
    people.editor.writes(name="seen")
    assert people.editor.send("GET", people.editor.path("seen"))["metadata"]["name"] == "seen"
    refused = refusal(lambda: people.editor.changes("seen", {"status": {"phase": "Deployed"}}, "/status"))
    assert refused.code == 403
    assert 'cannot patch resource "dynamographdeploymentrequests/status"' in refused.message
