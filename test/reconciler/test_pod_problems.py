from dgdr_api.conditions import Profiling
from dgdr_controller.reconciler import pod_problems


def test_every_problem_of_a_pod_is_in_sight_of_kubectl_get() -> None:
    assert pod_problems.REASONS <= Profiling.TROUBLES
