"""Measures the planner's curves of the deployment that a thorough search has chosen."""

import time

from dgdr_api.candidate import Candidate
from dgdr_api.curves import WorkerCurve
from dgdr_api.results import Goal
from dgdr_api.trials import CurvePoint, MeasuredPoint, TrialState
from dgdr_controller.profiler.measurement.benchmark_config import Endpoint, load_of
from dgdr_controller.profiler.measurement.session import Session
from dgdr_controller.profiler.measurement.worker_curves import (
    CurveLoad,
    curve_loads,
    curves_of,
    has_curves,
    kv_tokens_of,
)
from dgdr_controller.profiler.simulation.collect import Progress, ProgressCallback, Step

_ATTEMPTS = 2
"""Times that a load is tried."""
_LONGEST_S = 3600.0
"""How long one load may take: what takes longer hangs."""


def measured_curves(
    session: Session, trial: Candidate, goal: Goal, model: str, on_progress: ProgressCallback
) -> tuple[WorkerCurve, ...]:
    """Measure the workers of a trial at other lengths and loads; it is deployed again if it does not run any more.

    A load that cannot be measured is left out.

    Args:
        session: What was measured so far.
        trial: The deployment.
        goal: The lengths that are expected.
        model: Name that its frontend serves the model under.
        on_progress: Is told each step.

    Returns:
        The curves; nothing where they could not be measured within the budget.
    """
    if not has_curves(trial):
        return ()
    room: int | None = None

    def tell(state: str) -> None:
        session.publish()
        on_progress(Progress(Step.CURVES, state, finished=False))

    session.update(wanted=(trial,))
    while (status := session.wait_for(trial, tell)) is not None and status.state is TrialState.READY:
        room = room or kv_tokens_of(trial, session.cluster.kv_tokens(status.endpoint))
        loads = curve_loads(trial, goal, room)
        missing = [load for load in loads if not (_has(session, trial, load) or _is_given_up(session, trial, load))]
        if not missing:
            break
        tell(f"measuring {len(loads) - len(missing) + 1}/{len(loads)}: {missing[0]}")
        if reason := _measure(session, trial, missing[0], status.endpoint, model):
            tell(f"{missing[0]}: rejected: {reason}")
    return curves_of(trial, session.log.curve_points, room)


def _has(session: Session, trial: Candidate, load: CurveLoad) -> bool:
    return any(point.trial == trial.id and load.is_of(point) for point in session.log.curve_points)


def _is_given_up(session: Session, trial: Candidate, load: CurveLoad) -> bool:
    """Say whether a load was tried as often as it may be; the attempt that ends the profiler, too, is one."""
    return session.log.curve_attempts.count(_attempt(trial, load)) >= _ATTEMPTS


def _attempt(trial: Candidate, load: CurveLoad) -> str:
    return f"{trial.id}: {load}"


def _measure(session: Session, trial: Candidate, load: CurveLoad, url: str, model: str) -> str:
    """Measure a point and note it; return why it does not count, empty where it does."""
    attempts = session.log.curve_attempts
    session.update(curve_attempts=(*attempts, _attempt(trial, load)))
    found = session.cluster.measure(
        Endpoint(url, model, session.log.model, load.isl, load.osl),
        load_of(load.concurrency, load.osl),
        trial=trial.id,
        seed=time.time_ns(),
        deadline_s=max(1.0, min(_LONGEST_S, session.left_s)),
    )
    session.count()
    if not isinstance(found, MeasuredPoint):
        return found.reason
    point = CurvePoint(**dict(found), role=load.role, isl=load.isl, osl=load.osl)
    session.update(curve_points=(*session.log.curve_points, point), curve_attempts=attempts)
    return ""
