"""``runtimeVersionOverride`` of a base deployment's components: what they say stays, what they leave open is the plan's."""

import copy
from typing import Any

from dgdr_controller.deployment.base.base_deployment import on_base


def test_components_keep_their_runtime_version_and_others_get_that_of_the_plan(plan: Any) -> None:
    base = copy.deepcopy(plan)
    base["spec"]["components"][1]["runtimeVersionOverride"] = "1.4.2"
    for component in plan["spec"]["components"]:
        component["runtimeVersionOverride"] = "1.6.1"
    made: Any = on_base(base, plan)
    assert {component["name"]: component["runtimeVersionOverride"] for component in made["spec"]["components"]} == {
        "Frontend": "1.6.1",
        "prefill": "1.4.2",
        "decode": "1.6.1",
    }
