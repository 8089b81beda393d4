"""Trials: the deployments that a thorough search measures. The profiler wants them; here they are made and taken down.

Level-triggered: what exists is held against what is wanted now. Where nobody profiles, nothing is wanted: a killed
profiler, a Job that is gone, a request that has failed leave nothing behind.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from dgdr_api.candidate import Candidate
from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import ANNOTATION_GPUS, DGD_KIND, LABEL_GRAPH, LABEL_TRIAL
from dgdr_api.trials import TrialLog, TrialState, TrialStatus
from dgdr_api.v1beta1 import Phase
from dgdr_controller.hardware.resolve import capacity
from dgdr_controller.hardware.status import used
from dgdr_controller.hardware.tolerations import tolerations_of
from dgdr_controller.kinds import Graph, Pod
from dgdr_controller.profiling_job.output import read_trial_status
from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.reconciler import pod_problems, profiling_run
from dgdr_controller.reconciler.composition import composed_trial
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, Remove, WriteMode
from dgdr_controller.reconciler.dgd import is_healthy
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObservedState
from dgdr_controller.reconciler.pod_problems import PodProblem, problem_of_deployment

_FATAL = {pod_problems.CRASH_LOOP, pod_problems.OOM_KILLED, *pod_problems.WAITING_REASONS.values()}
"""Problems of pods that do not pass by themselves, however many GPUs there are."""
_FATAL_S = 60.0
"""How long they are doubted: an engine may end because another one was not there yet."""
_HOLDS_S = 30.0
"""How long a deployment may hold some of its GPUs while it waits for others: two of them could wait for each other."""
_LOOK_AGAIN_S = 5.0
_PORT = 8000
_LONGEST_MESSAGE = 1500


@dataclass(frozen=True, slots=True)
class _Trial:
    """A wanted trial, and what is done about it.

    Attributes:
        status: How far it is.
        ensure: The deployment, where it is to be made.
        remove: The deployment, where it is to go all the same.
    """

    status: TrialStatus
    ensure: Ensure | None = None
    remove: Graph | None = None


def needs(observed: ObservedState) -> Need:
    """What trials are composed of, and how many GPUs are free."""
    log = _wanted(observed)
    return Need.COMPOSITION | Need.HARDWARE if log and log.wanted else Need(0)


def with_trials(observed: ObservedState, decision: Decision) -> Decision:
    """Return a decision that makes the trials that are wanted, and takes the others down."""
    own = {graph.metadata.labels[LABEL_TRIAL]: graph for graph in observed.trials if observed.owns(graph.metadata)}
    log = _wanted(observed) if decision.status.phase is Phase.PROFILING else None
    if log is None:
        return replace(decision, remove=[*decision.remove, *map(_removal, _alive(own))]) if own else decision
    if decision.ensure or (run := profiling_run.current(observed)) is None:  # the run itself is made first
        return decision
    before = _known(observed)
    found = dict(_follow(observed, run, log, own))
    statuses = {candidate: trial.status for candidate, trial in found.items()}
    unwanted = {candidate: graph for candidate, graph in own.items() if candidate not in found}
    remove = [*_alive(unwanted), *(trial.remove for trial in found.values() if trial.remove is not None)]
    moving = [status for status in statuses.values() if status.state in (TrialState.WAITING, TrialState.STARTING)]
    pause = [_LOOK_AGAIN_S] if moving or unwanted else []
    return replace(
        decision,
        remove=[*decision.remove, *map(_removal, remove)],
        ensure=[
            *(trial.ensure for trial in found.values() if trial.ensure is not None),
            *([profiling_run.answered(observed, run, statuses)] if statuses != before else []),
        ],
        events=[*decision.events, *_events(log, before, statuses)],
        after_s=min([*pause, *([] if decision.after_s is None else [decision.after_s])], default=None),
        awaits=decision.awaits | ({ClusterState.GPUS} if moving else frozenset()),
    )


def _wanted(observed: ObservedState) -> TrialLog | None:
    """Return what the profiler wants now; None where none runs, or wants anything."""
    output, job = profiling_run.output(observed), observed.job
    if output is None or not output.trials or output.run.status is RunState.SUCCESS:
        return None
    if job is None or job.metadata.deletion_timestamp or output.job_uid != job.metadata.uid:
        return None
    ended = any(c.type in ("Failed", "Complete", "FailureTarget") and c.status == "True" for c in job.status.conditions)
    return None if ended else output.trial_log


def _known(observed: ObservedState) -> dict[str, TrialStatus]:
    """Return what was answered last."""
    return read_trial_status(observed.output_map) if observed.output_map else {}


def _alive(graphs: Mapping[str, Graph]) -> Iterator[Graph]:
    return (graph for graph in graphs.values() if graph.metadata.deletion_timestamp is None)


def _removal(graph: Graph) -> Remove:
    return Remove(DGD_KIND, graph.metadata.name, graph.metadata.uid)


def _follow(observed: ObservedState, run: Run, log: TrialLog, own: Mapping[str, Graph]) -> Iterator[tuple[str, _Trial]]:
    """Yield what becomes of each trial that is wanted, the most urgent first."""
    room, before = _Room(observed, own), _known(observed)
    for candidate in log.wanted:
        known, graph = before.get(candidate.id), own.get(candidate.id)
        if known is not None and known.state is TrialState.FAILED:
            yield candidate.id, _Trial(known)
        elif graph is not None:
            yield candidate.id, _existing(observed, graph)
        else:
            yield candidate.id, _new(observed, run, candidate, log, room)


class _Room:
    """The GPUs that new trials may take: of the request's budget, and of those that nobody uses.

    Args:
        observed: What exists.
        own: The trials that exist.
    """

    def __init__(self, observed: ObservedState, own: Mapping[str, Graph]) -> None:
        hardware = used(observed.status.hardware)
        budget = hardware.total_gpus.value if hardware else 0
        self.left = budget - sum(map(_gpus_of, own.values()))
        tolerations = tolerations_of(observed.request.spec)
        there = capacity(hardware.gpu_sku, observed.nodes or (), tolerations) if hardware else None
        self.free = there.free if there and observed.settings.hardware.discovery else None
        if self.free is not None:  # pods that no node has yet are not counted as users
            self.free -= sum(_gpus_of(graph) for graph in own.values() if not _is_scheduled(observed, graph))

    def refusal(self, gpus: int) -> str:
        """Say why so many GPUs cannot be had now; empty where they can."""
        if gpus > self.left:
            return f"it needs {_count(gpus)}, and the other deployments that are measured leave {self.left}"
        if self.free is not None and gpus > self.free:
            return f"it needs {_count(gpus)}, and {max(0, self.free)} are free in the cluster"
        return ""

    def take(self, gpus: int) -> None:
        """Note GPUs that are taken."""
        self.left -= gpus
        self.free = None if self.free is None else self.free - gpus


def _new(observed: ObservedState, run: Run, candidate: Candidate, log: TrialLog, room: _Room) -> _Trial:
    """Make a trial, if its GPUs can be had."""
    if observed.nodes is None:
        return _Trial(TrialStatus(state=TrialState.WAITING, message="the cluster's GPUs are being counted"))
    try:
        manifest = composed_trial(observed, candidate, log)
    except InvalidRequestError as error:
        return _Trial(_failed("; ".join(map(str, error.errors))))
    gpus = int(manifest["metadata"]["annotations"][ANNOTATION_GPUS])
    if refusal := room.refusal(gpus):
        return _Trial(TrialStatus(state=TrialState.WAITING, message=refusal))
    room.take(gpus)

    def rejected(message: str) -> Ensure:
        refused = _failed(f"DynamoGraphDeployment {manifest['metadata']['name']} was refused: {message}")
        return profiling_run.answered(observed, run, _known(observed) | {candidate.id: refused})

    started = TrialStatus(state=TrialState.STARTING, message="it is being created")
    return _Trial(started, Ensure(manifest, WriteMode.CREATE, instead=rejected))


def _existing(observed: ObservedState, graph: Graph) -> _Trial:
    """Say how far a trial is that was made."""
    if graph.metadata.deletion_timestamp is not None:
        return _Trial(TrialStatus(state=TrialState.WAITING, message="its former deployment is being deleted"))
    if is_healthy(graph):
        return _Trial(TrialStatus(state=TrialState.READY, endpoint=_endpoint(graph)))
    pods = _pods_of(observed, graph)
    problem = problem_of_deployment(pods, observed.now)
    lasts = (observed.now - problem.since).total_seconds() if problem and problem.since else 0.0
    if problem and problem.reason in _FATAL and lasts >= _FATAL_S:
        return _Trial(_failed(problem.message))
    created = graph.metadata.creation_timestamp or observed.now
    deadline_s = observed.settings.profiling.trial_deadline_s
    if (observed.now - created).total_seconds() > deadline_s:
        words = problem.message if problem else _operators_words(graph)
        return _Trial(_failed(f"it was not ready after {deadline_s / 60:g} min{f': {words}' if words else ''}"))
    if problem and problem.reason == pod_problems.UNSCHEDULABLE:
        return _unscheduled(observed, graph, problem, lasts)
    message = problem.message if problem else _operators_words(graph)
    return _Trial(TrialStatus(state=TrialState.STARTING, message=message[:_LONGEST_MESSAGE]))


def _unscheduled(observed: ObservedState, graph: Graph, problem: PodProblem, lasts: float) -> _Trial:
    """Wait for GPUs; a trial that holds some of them for long gives them up, and is made again once all are free.

    Two that wait for each other give up at different times, so that one of them goes on.
    """
    waiting = TrialStatus(state=TrialState.WAITING, message=problem.message[:_LONGEST_MESSAGE])
    holds = any(_has_node(pod) for pod in _pods_of(observed, graph))
    jitter = int(hashlib.sha256(graph.metadata.uid.encode()).hexdigest()[:4], 16) / 0xFFFF
    return _Trial(waiting, remove=graph if holds and lasts >= _HOLDS_S * (1 + jitter) else None)


def _failed(message: str) -> TrialStatus:
    return TrialStatus(state=TrialState.FAILED, message=message[:_LONGEST_MESSAGE])


def _endpoint(graph: Graph) -> str:
    """Return the URL of a deployment's frontend: its Service is called as Dynamo's operator calls it."""
    components = graph.status.components or graph.status.services
    frontend = next((name for name in components if "frontend" in name.lower()), "frontend").lower()
    return f"http://{graph.metadata.name}-{frontend}.{graph.metadata.namespace}.svc:{_PORT}"


def _operators_words(graph: Graph) -> str:
    return next((c.message for c in graph.status.conditions if c.status == "False" and c.message), "")


def _pods_of(observed: ObservedState, graph: Graph) -> list[Pod]:
    return [pod for pod in observed.trial_pods if pod.metadata.labels.get(LABEL_GRAPH) == graph.metadata.name]


def _is_scheduled(observed: ObservedState, graph: Graph) -> bool:
    """Say whether all pods of a trial have a node: then its GPUs count as used."""
    pods = _pods_of(observed, graph)
    return bool(pods) and all(map(_has_node, pods))


def _has_node(pod: Pod) -> bool:
    return any(c.type == "PodScheduled" and c.status == "True" for c in pod.status.conditions)


def _gpus_of(graph: Graph) -> int:
    text = graph.metadata.annotations.get(ANNOTATION_GPUS, "")
    return int(text) if text.isdecimal() else 0


def _count(gpus: int) -> str:
    return f"{gpus} GPU{'s' if gpus > 1 else ''}"


def _events(log: TrialLog, before: Mapping[str, TrialStatus], now: Mapping[str, TrialStatus]) -> Iterator[Event]:
    """Yield what people are told of trials: that one is deployed, and why one has failed."""
    for candidate in log.wanted:
        was, status = before.get(candidate.id), now[candidate.id]
        if was is not None and was.state is status.state:
            continue
        title = f"{candidate.backend} {candidate.mode}, {candidate.shape} ({candidate.id})"
        if status.state is TrialState.FAILED:
            yield Event("TrialFailed", f"{title} cannot be measured: {status.message}", warning=True)
        elif status.state is TrialState.READY:
            yield Event("TrialReady", f"{title} is deployed and can be measured")
