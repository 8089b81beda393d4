"""Verification: a deployment that has become healthy is measured, once, where somebody asks for it.

Level-triggered: the Job for the deployment that is there now is made and followed, any other one is removed; what it
has measured becomes a condition. That condition is *Unknown* from before the Job is made until it has ended, so that no
earlier result is taken for this one's. A request never fails for it.
"""

from dataclasses import replace

from dgdr_api.candidate import Candidate
from dgdr_api.conditions import ConditionUpdate, PerformanceVerified, Succeeded, set_conditions
from dgdr_api.defaults import effective
from dgdr_api.errors import InvalidRequestError
from dgdr_api.job_spec import PROFILER
from dgdr_api.names import ANNOTATION_CANDIDATE, ANNOTATION_INPUTS, ANNOTATION_VERIFIED, verification_name
from dgdr_api.results import Results
from dgdr_api.trials import MeasuredPoint
from dgdr_api.v1beta1 import Condition, Phase
from dgdr_api.verification import verification_s
from dgdr_controller.kinds import Job
from dgdr_controller.profiling_job.verification_job import PlannedLoad, Verification, measured, verification_job
from dgdr_controller.reconciler import pod_problems
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, Refused, Remove, WriteMode
from dgdr_controller.reconciler.dgd import POLL_S, endpoint_of
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.pod_problems import exit_message
from dgdr_controller.reconciler.verified_performance import verified

_BEGUN = frozenset(
    (PerformanceVerified.running("").reason, pod_problems.UNSCHEDULABLE, *pod_problems.WAITING_REASONS.values())
)
"""Reasons of the condition that tell of a Job that was made."""
_UNPLANNED = 8
"""Requests in flight where neither the plan nor the request says how many."""
_PASSING_S = 3.0
"""Trouble of a pod that is younger may be none."""
_LONGEST_WORDS = 1000


def needs(observed: ObservedState) -> Need:
    """The plan, to begin with and to judge by."""
    if observed.phase is not Phase.DEPLOYED or not _is_open(_condition(observed)):
        return Need(0)
    job = _own(observed)
    if job is None:
        return Need.FRESH_OUTPUT
    return Need.FRESH_OUTPUT | Need.FRESH_PODS if _ended(job) else Need(0)


def with_verification(observed: ObservedState, decision: Decision) -> Decision:
    """Return a decision that measures the deployment too, where it is healthy and somebody asks for it."""
    job = _own(observed)
    try:
        wanted = _wanted(observed)
    except InvalidRequestError as error:
        if observed.annotation(ANNOTATION_VERIFIED):  # what was measured before stays
            return _without(_forgotten(decision), job)
        return _saying(observed, decision, PerformanceVerified.failed("; ".join(map(str, error.errors))))
    if decision.status.phase is not Phase.DEPLOYED:
        return _without(_interrupted(observed, decision, wanted, job), job)
    if wanted is None:
        return _without(_forgotten(decision), job)
    return _verify(observed, decision, wanted, job)


def _interrupted(observed: ObservedState, decision: Decision, wanted: Verification | None, job: Job | None) -> Decision:
    """End a measurement of a deployment that is not healthy any more: it is not begun again by itself.

    Its load may be what the deployment does not bear. Without a deployment, nothing is left to say.
    """
    if observed.graph is None or wanted is None or observed.phase is not Phase.DEPLOYED or job is None:
        return _forgotten(decision)
    if not _is_open(_condition(observed)):
        return decision
    why = "the deployment stopped being healthy while it was measured"
    return _ending(observed, decision, wanted, PerformanceVerified.failed(_not_measured(why)))


def _wanted(observed: ObservedState) -> Verification | None:
    """Return the verification that is wanted of the deployment as it is; None: none is.

    A request's own annotation counts at any time; the installation's setting when a deployment becomes healthy, the
    first time or as another one than was measured: switching it on puts no load on those that serve already.

    Raises:
        InvalidRequestError: The annotation cannot be read.
    """
    graph, by_setting = observed.graph, observed.settings.verify_s
    if graph is None:
        return None
    candidate = graph.metadata.annotations.get(ANNOTATION_CANDIDATE, "")

    def lasting(seconds: int) -> Verification:
        return Verification(observed.request, observed.settings, graph.metadata.uid, candidate, seconds)

    asked = verification_s(observed.request.metadata.annotations)
    if asked is not None or not by_setting:
        return lasting(asked) if asked else None
    wanted = lasting(by_setting)
    begins = observed.phase is not Phase.DEPLOYED or _condition(observed) is not None
    return wanted if begins and not (_is_done(observed, wanted) and not _is_open(_condition(observed))) else None


def _verify(observed: ObservedState, decision: Decision, wanted: Verification, job: Job | None) -> Decision:
    """Make the Job, or follow it."""
    is_open = _is_open(_condition(observed)) and observed.phase is Phase.DEPLOYED
    if not is_open and _is_done(observed, wanted):
        return decision
    if job is None and is_open:
        return _without_job(observed, decision, wanted)
    pending = _saying(observed, decision, PerformanceVerified.pending(), after_s=0.0)
    if job is None:
        return pending
    if job.metadata.deletion_timestamp:
        return replace(pending, after_s=POLL_S)
    fits = job.metadata.annotations.get(ANNOTATION_INPUTS) == wanted.inputs
    if fits and not _ended(job):
        return _saying(observed, decision, _state(observed, job), after_s=POLL_S)
    return _judge(observed, decision, wanted, job) if fits and is_open else _removing(pending, job)


def _without_job(observed: ObservedState, decision: Decision, wanted: Verification) -> Decision:
    """Make the Job; one that was there and is gone is not made again."""
    condition = _condition(observed)
    if condition is None or condition.reason not in _BEGUN:
        return _begin(observed, decision, wanted)
    why = f"Job {verification_name(observed.name)} was deleted before its result was read"
    return _ending(observed, decision, wanted, PerformanceVerified.failed(_not_measured(why)))


def _begin(observed: ObservedState, decision: Decision, wanted: Verification) -> Decision:
    """Make the Job, at the load that is planned."""
    graph, shown, found = observed.graph, observed.status.profiling_results, _planned(observed)
    if isinstance(found, str) or graph is None or shown is None or shown.selected_config is None:
        why = found if isinstance(found, str) else "the status does not show the deployment any more"
        return _saying(observed, decision, PerformanceVerified.unplanned(why))
    candidate, results = found
    plan, applied = candidate.performance, effective(observed.request)
    load = PlannedLoad(
        endpoint=endpoint_of(graph, dict(shown.selected_config)),
        tokenizer=results.model,
        concurrency=max(1, round(plan.concurrency if plan else applied.concurrency or _UNPLANNED)),
        requests=wanted.requests(plan.request_rate if plan else None),
        e2e_s=plan.e2e / 1000 if plan else 0.0,
    )
    manifest = verification_job(wanted, load)
    name = manifest["metadata"]["name"]

    def instead(message: str, final: bool) -> Refused:  # noqa: ARG001, FBT001 - of the field's type
        return Refused(condition=PerformanceVerified.waiting("WaitingForApi", f"Job {name} was refused: {message}"))

    running = PerformanceVerified.running(name, load.concurrency)
    job = Ensure(manifest, WriteMode.CREATE, condition=PerformanceVerified, instead=instead)
    return replace(
        _saying(observed, decision, running, after_s=POLL_S),
        ensure=[*decision.ensure, job],
    )


def _judge(observed: ObservedState, decision: Decision, wanted: Verification, job: Job) -> Decision:
    """Say what a Job has measured that has ended, or why it has measured nothing."""
    point, found = _point(observed), _planned(observed)
    if point is None and any(pod.status.phase in ("Pending", "Running") for pod in observed.verification_pods):
        return _saying(
            observed, decision, _state(observed, job), after_s=_PASSING_S
        )  # its last words are still to come
    if point is None:
        update = PerformanceVerified.failed(_not_measured(_why(observed, job)))
    elif isinstance(found, str):
        update = PerformanceVerified.failed(f"No plan to compare with: {found}")
    else:
        update = verified(found[0], effective(observed.request), point)
    return _ending(observed, decision, wanted, update)


def _ending(observed: ObservedState, decision: Decision, wanted: Verification, update: ConditionUpdate) -> Decision:
    """Return a decision by which a verification has come to its end."""
    return replace(
        _saying(observed, decision, update),
        annotations={**decision.annotations, ANNOTATION_VERIFIED: wanted.inputs},
        events=[*decision.events, Event(update.reason, update.message, warning=update.status != "True")],
    )


def _state(observed: ObservedState, job: Job) -> ConditionUpdate:
    """Say how a Job goes that has not ended."""
    pods, previous = observed.verification_pods, _condition(observed)
    problem = pod_problems.problem_of(pods, PROFILER, (0,)) if pods else None
    if problem and (problem.since is None or (observed.now - problem.since).total_seconds() >= _PASSING_S):
        return PerformanceVerified.waiting(problem.reason, problem.message[:_LONGEST_WORDS])
    running = PerformanceVerified.running(job.metadata.name)
    kept = previous is not None and previous.reason == running.reason
    return replace(running, message=previous.message) if previous is not None and kept else running


def _point(observed: ObservedState) -> MeasuredPoint | None:
    """Return what a pod of the Job says that it has measured."""
    for pod in observed.verification_pods:
        for container in pod.status.container_statuses:
            ended = container.state.terminated
            if container.name == PROFILER and ended and ended.exit_code == 0 and (point := measured(ended.message)):
                return point
    return None


def _planned(observed: ObservedState) -> tuple[Candidate, Results] | str:
    """Return the candidate that is deployed, and the results that it is of; else why they are not known."""
    output, graph = observed.output, observed.graph
    if output is None or not output.has_results or graph is None:
        return "the results of profiling are gone"
    if output.is_deployment:
        return "the deployment comes from another profiler"
    try:
        results = output.results()
    except ValueError as error:
        return str(error)
    wanted = graph.metadata.annotations.get(ANNOTATION_CANDIDATE, "")
    found = next((candidate for candidate in results.candidates if candidate.id == wanted), None)
    return (found, results) if found else "the deployment does not say which candidate it was made from"


def _why(observed: ObservedState, job: Job) -> str:
    """Say why a Job has measured nothing: its pod's words, else its own, and what was awaited."""
    endings = (
        ended
        for pod in observed.verification_pods
        for container in pod.status.container_statuses
        if container.name == PROFILER and (ended := exit_message(container))
    )
    failed = next((c for c in job.status.conditions if c.type == "Failed" and c.status == "True"), None)
    previous = _condition(observed)
    awaited = f" ({previous.message})" if previous is not None else ""
    of_job = f"{failed.message}{awaited}" if failed else "its pod was deleted before the result was read"
    return next(endings, of_job)


def _not_measured(why: str) -> str:
    return f"The deployment could not be measured: {why}; remove annotation {ANNOTATION_VERIFIED} to measure again"


def _condition(observed: ObservedState) -> Condition | None:
    return observed.condition(PerformanceVerified.TYPE)


def _is_open(condition: Condition | None) -> bool:
    """Say whether a verification has begun and not come to its end."""
    failed = PerformanceVerified.failed("").reason
    return condition is not None and condition.status == "Unknown" and condition.reason != failed


def _own(observed: ObservedState) -> Job | None:
    job = observed.verification
    return job if job is not None and observed.owns(job.metadata) else None


def _is_done(observed: ObservedState, wanted: Verification) -> bool:
    """Say whether it has come to its end; a request says so itself, since Jobs that have ended are cleaned up."""
    return observed.annotation(ANNOTATION_VERIFIED) == wanted.inputs


def _ended(job: Job) -> bool:
    return any(c.type in ("Complete", "Failed") and c.status == "True" for c in job.status.conditions)


def _saying(
    observed: ObservedState, decision: Decision, update: ConditionUpdate, after_s: float | None = None
) -> Decision:
    """Return a decision whose status says how the verification is."""
    conditions = set_conditions(decision.status.conditions or (), [update], observed.generation, observed.now)
    succeeded = Succeeded.of(decision.status.phase or Phase.DEPLOYED, conditions)
    conditions = set_conditions(conditions, [succeeded], observed.generation, observed.now)
    status = decision.status.model_copy(update={"conditions": conditions})
    pauses = [pause for pause in (decision.after_s, after_s) if pause is not None]
    return replace(decision, status=status, after_s=min(pauses, default=None))


def _forgotten(decision: Decision) -> Decision:
    """Return a decision without the condition of a verification that has not come to its end."""
    conditions = decision.status.conditions or ()
    kept = tuple(c for c in conditions if c.type != PerformanceVerified.TYPE or not _is_open(c))
    return replace(decision, status=decision.status.model_copy(update={"conditions": kept}))


def _without(decision: Decision, job: Job | None) -> Decision:
    """Return a decision that ends a measurement which nobody wants, or which would be of something else."""
    if job is None or _ended(job) or job.metadata.deletion_timestamp:
        return decision
    return _removing(decision, job)


def _removing(decision: Decision, job: Job) -> Decision:
    return replace(decision, remove=[*decision.remove, Remove("Job", job.metadata.name, job.metadata.uid)])
