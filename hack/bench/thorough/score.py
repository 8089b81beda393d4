"""How good a choice truly is, beside the best that can be had."""

from dgdr_api.candidate import Candidate
from dgdr_api.results import Goal
from dgdr_api.v1beta1 import OptimizationType
from dgdr_controller.profiler.selection.choose import choose
from dgdr_controller.profiler.selection.objective import score
from dgdr_controller.profiler.selection.pareto import Criteria
from dgdr_controller.profiler.selection.scaling import wants_load
from dgdr_controller.profiler.selection.targets import targets_of, violation
from hack.bench.thorough.surfaces import Surface

_NOISE = 0.04
"""Share by which written targets may be missed more than by the best: two standard deviations of a measurement."""
_FACTORS = 3
"""Numbers that the balance of throughput and speed is a product of."""


def best(surface: Surface) -> Candidate:
    """Return the best that can be had of a surface, at any load."""
    goal, budget = surface.goal, surface.budget
    rows = [surface.row(option, load) for option in surface.options for load in option.loads(goal, budget)]
    choice = choose(rows, goal, budget)
    if choice is None:
        raise ValueError("a surface needs an option")
    return choice


def optimality(choice: Candidate, optimum: Candidate, goal: Goal, budget: int) -> float:
    """Return what a choice is worth, as a share of the optimum; 0 where it misses targets that the optimum meets.

    With a load: the share of it that is served, then the GPUs, come before the objective. The balance of throughput
    and speed is a product of three numbers: its cube root is compared, which is as far off as they are.

    Args:
        choice: A candidate with its true numbers.
        optimum: The best one.
        goal: The goal.
        budget: The GPUs that may be used.
    """
    ours, theirs = Criteria.of(choice, goal, budget), Criteria.of(optimum, goal, budget)
    if violation(choice, goal, explicit=True) > violation(optimum, goal, explicit=True) + _NOISE:
        return 0.0
    if wants_load(goal):
        if ours.served < theirs.served * (1 - _NOISE):
            return ours.served / theirs.served
        if ours.gpus != theirs.gpus:
            return theirs.gpus / ours.gpus
    ratio = score(choice, ours, goal) / score(optimum, theirs, goal)
    balanced = goal.objective is OptimizationType.HYBRID and not targets_of(goal, explicit=True)
    return float(ratio ** (1 / _FACTORS)) if balanced else ratio
