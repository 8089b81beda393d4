from hack.virtual_kubelet.probes import Tally


def outcomes(tally: Tally, probed: str) -> list[bool | None]:
    return [tally.count(success=sign == "+") for sign in probed]


def test_probe_fails_after_as_many_failures_in_a_row() -> None:
    assert outcomes(Tally(), "--+---") == [None, None, True, None, None, False]


def test_probe_succeeds_after_as_many_successes_in_a_row() -> None:
    assert outcomes(Tally(successes_needed=2), "+-++") == [None, None, None, True]
