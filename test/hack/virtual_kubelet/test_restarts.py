import pytest

from hack.virtual_kubelet.restarts import BackOff, is_restarted, policy_of


@pytest.mark.parametrize(
    ("policy", "code", "restarted"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_policy_decides_on_restarts(policy: str, code: int, *, restarted: bool) -> None:
    assert is_restarted(policy, code) is restarted


@pytest.mark.parametrize(
    ("pod", "container", "init", "policy"),
    [
        ("Always", {}, False, "Always"),
        ("Always", {}, True, "OnFailure"),
        ("Never", {}, True, "Never"),
        ("Never", {"restartPolicy": "Always"}, True, "Always"),
    ],
)
def test_policy_of_a_container_follows_its_kind(pod: str, container: dict[str, str], init: bool, policy: str) -> None:  # noqa: FBT001 - a parameter
    assert policy_of({"spec": {"restartPolicy": pod}}, container, init=init) == policy


def test_back_off_doubles_up_to_five_minutes_and_begins_anew_after_a_long_run() -> None:
    back_off = BackOff()
    assert [back_off.after(1) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert [back_off.after(600), back_off.after(1)] == [0, 10]
