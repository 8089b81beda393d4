"""What the policy lets everybody say to the planner is what the controller takes for harmless."""

import itertools
import re
from pathlib import Path

import yaml

from dgdr_api.model import to_camel
from dgdr_controller.deployment.render.planner_settings import CHOICES, GONE, HARMLESS, KINDS, RENAMED, todays_name

POLICY = Path(__file__).parents[3] / "config" / "policy" / "request_rights_policy.yaml"


def test_settings_of_the_planner() -> None:
    variables = yaml.safe_load(POLICY.read_text(encoding="utf-8"))["spec"]["variables"]
    (expression,) = [variable["expression"] for variable in variables if variable["name"] == "ofPlanner"]
    harmless = re.compile("".join(re.findall(r"'([^']*)'", expression.partition("matches(")[2])))
    names = {*itertools.chain(*KINDS.values()), *CHOICES, *GONE, *RENAMED}
    spellings = {
        spelling
        for name in names
        for spelling in (name, to_camel(name), f"planner_{name}", to_camel(f"planner_{name}"))
    }
    assert len(spellings) > 200
    wrong = {
        spelling
        for spelling in spellings
        if bool(harmless.fullmatch(re.sub("[-_]", "", spelling.lower()))) != (todays_name(spelling) in HARMLESS)
    }
    assert wrong == set()
