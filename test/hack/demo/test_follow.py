from hack.demo.follow import describe


def searching(completed: int, message: str) -> dict[str, object]:
    return {"phase": "Profiling", "profilingProgress": {"completed": completed, "total": 6, "message": message}}


def test_search_is_at_a_new_stage_when_its_count_grows() -> None:
    begun, line = describe(searching(0, "vllm aggregated: searching"))
    assert line == "Profiling  0/6  vllm aggregated: searching"
    assert describe(searching(0, "vllm disaggregated: searching"))[0] == begun
    assert describe(searching(1, "vllm disaggregated: searching"))[0] != begun


def test_condition_that_is_not_fulfilled_is_a_stage_of_its_own() -> None:
    waiting = {"type": "DeploymentReady", "status": "False", "message": "DGD a is in pending state"}
    whole = {"type": "Succeeded", "status": "False", "message": "in progress"}
    stage, line = describe({"phase": "Deploying", "conditions": [waiting, whole]})
    assert stage == line == "Deploying  DGD a is in pending state"
    assert describe({"phase": "Deployed", "conditions": [waiting | {"status": "True"}]})[1] == "Deployed"
