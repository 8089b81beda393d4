"""Trials: the deployments that a thorough search measures. The profiler wants them; here they are made and taken down.

Level-triggered: what exists is held against what is wanted now. Where nobody profiles, nothing is wanted: a killed
profiler, a Job that is gone, a request that has failed leave nothing behind.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from dgdr_api.candidate import Candidate
from dgdr_api.errors import InvalidRequestError
from dgdr_api.names import ANNOTATION_GPUS, DGD_KIND, LABEL_GRAPH, LABEL_TRIAL
from dgdr_api.trials import TrialLog, TrialReport, TrialState, TrialStatus
from dgdr_api.v1beta1 import Phase
from dgdr_controller.hardware.resolve import capacity
from dgdr_controller.hardware.status import used
from dgdr_controller.hardware.tolerations import tolerations_of
from dgdr_controller.kinds import Graph, Pod
from dgdr_controller.manifest import dump_documents
from dgdr_controller.profiling_job.output import read_trial_status
from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.profiling_job.run import Run, deadline_s
from dgdr_controller.reconciler import pod_problems, profiling_run
from dgdr_controller.reconciler.composition import composed_trial
from dgdr_controller.reconciler.decision import Decision, Ensure, Event, Refused, Remove, WriteMode
from dgdr_controller.reconciler.dgd import endpoint_of, is_healthy
from dgdr_controller.reconciler.observed_state import ClusterState, Need, ObservedState
from dgdr_controller.reconciler.pod_problems import PodProblem, has_node, is_scheduled, problem_of_deployment

_CRASHING = (pod_problems.CRASH_LOOP, pod_problems.OOM_KILLED)
_RESTARTS = 3
"""Restarts after which a container is given up: one may end because another one was not there yet."""
_NOT_STARTING = frozenset(pod_problems.WAITING_REASONS.values())
_NOT_STARTING_S = 60.0
"""How long it is doubted that a container cannot start: a registry may be busy."""
_HOLDS_S = 30.0
"""How long a deployment may hold some of its GPUs while it waits for others that an older one waits for, too."""
_LOOK_AGAIN_S = 5.0
_LONGEST_MESSAGE = 1500


@dataclass(frozen=True, slots=True)
class _Trial:
    """A wanted trial, and what is done about it.

    Attributes:
        status: How far it is.
        ensure: The deployment, where it is to be made.
        remove: The deployment, where it is to go all the same.
        lacks_gpus: Whether it waits for GPUs, which less urgent ones may have.
    """

    status: TrialStatus
    ensure: Ensure | None = None
    remove: Graph | None = None
    lacks_gpus: bool = False


def needs(observed: ObservedState) -> Need:
    """What trials are composed of, and how many GPUs are free."""
    log = _wanted(observed)
    return Need.COMPOSITION | Need.HARDWARE | Need.RIVALS if log and log.wanted else Need(0)


def with_trials(observed: ObservedState, decision: Decision) -> Decision:
    """Return a decision that makes the trials that are wanted, and takes the others down."""
    own = {graph.metadata.labels[LABEL_TRIAL]: graph for graph in observed.trials if observed.owns(graph.metadata)}
    log = _wanted(observed) if decision.status.phase is Phase.PROFILING else None
    if log is None:
        return replace(decision, remove=[*decision.remove, *map(_removal, _alive(own))]) if own else decision
    if decision.ensure or (run := profiling_run.current(observed)) is None:  # the run itself is made first
        return decision
    found = _Pass(observed, log, own).trials()
    report = _report(observed, {candidate: trial.status for candidate, trial in found.items()})
    unwanted = {candidate: graph for candidate, graph in own.items() if candidate not in found}
    remove = [*_alive(unwanted), *(trial.remove for trial in found.values() if trial.remove is not None)]
    moving = any(trial.status.state in (TrialState.WAITING, TrialState.STARTING) for trial in found.values())
    pause = [_LOOK_AGAIN_S] if moving or unwanted else []
    return replace(
        decision,
        remove=[*decision.remove, *map(_removal, remove)],
        ensure=[
            *([profiling_run.answered(observed, run, report)] if report != _answered(observed) else []),
            *_accepted_or_not(observed, run, log, found, report),
        ],
        events=[*decision.events, *_events(log, _answered(observed), report)],
        after_s=min([*pause, *([] if decision.after_s is None else [decision.after_s])], default=None),
        awaits=decision.awaits | ({ClusterState.GPUS} if moving else frozenset()),
    )


def _accepted_or_not(
    observed: ObservedState, run: Run, log: TrialLog, found: Mapping[str, _Trial], report: TrialReport
) -> Iterator[Ensure]:
    """Yield the deployments that are to be made; one that the API server does not accept costs its trial alone."""
    statuses = dict(report.trials)

    def instead(candidate: str, name: str, message: str, final: bool) -> Refused:  # noqa: FBT001 - of the field's type
        words = f"DynamoGraphDeployment {name} was refused: {message}"
        statuses[candidate] = _failed(words) if final else _waiting(words)
        corrected = _report(observed, statuses)
        news = _events(log, report, corrected)
        return Refused(profiling_run.answered(observed, run, corrected), list(news))

    for candidate, trial in found.items():
        if trial.ensure is not None:
            name = trial.ensure.manifest["metadata"]["name"]
            yield replace(trial.ensure, instead=partial(instead, candidate, name))


def _wanted(observed: ObservedState) -> TrialLog | None:
    """Return what the profiler wants now; None where none runs, or wants anything."""
    output, job = profiling_run.output(observed), observed.job
    if output is None or not output.trials or output.run.status is RunState.SUCCESS:
        return None
    if job is None or job.metadata.deletion_timestamp or output.job_uid != job.metadata.uid:
        return None
    ended = any(c.type in ("Failed", "Complete", "FailureTarget") and c.status == "True" for c in job.status.conditions)
    return None if ended else output.trial_log


def _answered(observed: ObservedState) -> TrialReport:
    """Return what was answered last."""
    return read_trial_status(observed.output_map) if observed.output_map else TrialReport()


def _report(observed: ObservedState, statuses: Mapping[str, TrialStatus]) -> TrialReport:
    """Return what the profiler is answered: how its trials are, and since when; and until when it may measure."""
    before, created = _answered(observed).trials, observed.job.metadata.creation_timestamp if observed.job else None

    def since(candidate: str, status: TrialStatus) -> dt.datetime:
        known = before.get(candidate)
        return known.since if known and known.since and known.state is status.state else observed.now

    return TrialReport(
        trials={name: status.model_copy(update={"since": since(name, status)}) for name, status in statuses.items()},
        ends=created + dt.timedelta(seconds=deadline_s(observed.request, observed.settings)) if created else None,
    )


def _alive(graphs: Mapping[str, Graph]) -> Iterator[Graph]:
    return (graph for graph in graphs.values() if graph.metadata.deletion_timestamp is None)


def _removal(graph: Graph) -> Remove:
    return Remove(DGD_KIND, graph.metadata.name, graph.metadata.uid)


class _Pass:
    """One look at all trials that are wanted, the most urgent first.

    Args:
        observed: What exists.
        log: What the profiler wants.
        own: The trials that exist.
    """

    def __init__(self, observed: ObservedState, log: TrialLog, own: Mapping[str, Graph]) -> None:
        self._observed, self._log, self._own = observed, log, own
        self._before = _answered(observed).trials
        self._room = _Room(observed, own)

    def trials(self) -> dict[str, _Trial]:
        """Return what becomes of each trial.

        A trial that waits for GPUs gets those of less urgent ones: otherwise each could wait for the other.
        """
        found: dict[str, _Trial] = {}
        short = False
        for candidate in self._log.wanted:
            graph = self._own.get(candidate.id)
            if short and graph is not None and graph.metadata.deletion_timestamp is None:
                found[candidate.id] = _Trial(_waiting("it makes room for a more urgent one"), remove=graph)
            elif short:
                found[candidate.id] = _Trial(_waiting("a more urgent one waits for GPUs"))
            else:
                found[candidate.id] = self._follow(candidate, graph)
                short = found[candidate.id].lacks_gpus
        return found

    def _follow(self, candidate: Candidate, graph: Graph | None) -> _Trial:
        known = self._before.get(candidate.id)
        if known is not None and known.state is TrialState.FAILED:
            alive = graph is not None and graph.metadata.deletion_timestamp is None
            return _Trial(known, remove=graph if alive else None)
        return self._new(candidate) if graph is None else self._existing(candidate, graph, known)

    def _new(self, candidate: Candidate) -> _Trial:
        """Make a trial, if its GPUs can be had."""
        if self._observed.nodes is None:
            return _Trial(_waiting("the cluster's GPUs are being counted"))
        try:
            manifest = composed_trial(self._observed, candidate, self._log)
        except InvalidRequestError as error:
            return _Trial(_failed("; ".join(map(str, error.errors))))
        gpus = int(manifest["metadata"]["annotations"][ANNOTATION_GPUS])
        if refusal := self._room.refusal(gpus, max(worker.parallelism.gpus for worker in candidate.workers)):
            return _Trial(_waiting(refusal), lacks_gpus=True)
        self._room.take(gpus)
        started = TrialStatus(state=TrialState.STARTING, message="it is being created")
        return _Trial(started, Ensure(manifest, WriteMode.CREATE))

    def _existing(self, candidate: Candidate, graph: Graph, known: TrialStatus | None) -> _Trial:
        """Say how far a trial is that was made."""
        if graph.metadata.deletion_timestamp is not None:
            return _Trial(_waiting("its former deployment is being deleted"))
        if is_healthy(graph):
            return self._ready(candidate, graph, known)
        observed, pods = self._observed, _pods_of(self._observed, graph)
        problem = problem_of_deployment(pods, observed.now)
        if problem and problem.reason == pod_problems.UNSCHEDULABLE:
            return self._unscheduled(graph, problem)
        if problem and _is_hopeless(problem, pods, observed.now):
            return _Trial(_failed(problem.message), remove=graph)
        message = problem.message if problem else _operators_words(graph)
        limit = observed.settings.profiling.trial_deadline_s
        starting = known is not None and known.state is TrialState.STARTING and known.since is not None
        begun = known.since if starting and known and known.since else observed.now
        if (observed.now - begun).total_seconds() > limit:
            late = f"it was not ready after {limit / 60:g} min{f': {message}' if message else ''}"
            return _Trial(_failed(late), remove=graph)
        return _Trial(TrialStatus(state=TrialState.STARTING, message=message[:_LONGEST_MESSAGE]))

    def _ready(self, candidate: Candidate, graph: Graph, known: TrialStatus | None) -> _Trial:
        """Say where a trial can be measured: its frontend's Service is called as Dynamo's operator calls it."""
        if known is not None and known.endpoint:
            return _Trial(known)
        try:
            manifest = composed_trial(self._observed, candidate, self._log)
        except InvalidRequestError as error:  # what it was composed of is gone
            return _Trial(_failed("; ".join(map(str, error.errors))), remove=graph)
        ready = TrialStatus(
            state=TrialState.READY,
            endpoint=endpoint_of(graph, manifest),
            deployment=dump_documents([manifest]),
        )
        return _Trial(ready)

    def _unscheduled(self, graph: Graph, problem: PodProblem) -> _Trial:
        """Wait for GPUs.

        Of two that hold some GPUs and wait for others, the younger gives up: the older goes on.
        """
        lasts = (self._observed.now - problem.since).total_seconds() if problem.since else 0.0
        holds = any(has_node(pod) and not _is_frontend(pod) for pod in _pods_of(self._observed, graph))
        older = any(_age(rival) < _age(graph) for rival in self._observed.rivals)
        gives_up = holds and older and lasts >= _HOLDS_S
        return _Trial(_waiting(problem.message), remove=graph if gives_up else None, lacks_gpus=True)


class _Room:
    """The GPUs that new trials may take: of the request's budget, and of those that nobody uses.

    Pods that no node has yet are not counted among those that use GPUs: their trials are, whoever's they are.

    Args:
        observed: What exists.
        own: The trials that exist.
    """

    def __init__(self, observed: ObservedState, own: Mapping[str, Graph]) -> None:
        hardware = used(observed.status.hardware)
        budget = hardware.total_gpus.value if hardware else 0
        self._left = budget - sum(map(_gpus_of, own.values()))
        tolerations = tolerations_of(observed.request.spec)
        there = capacity(hardware.gpu_sku, observed.nodes or (), tolerations) if hardware else None
        counted = there is not None and observed.settings.hardware.discovery
        self._free = there.free if there and counted else None
        self._on_a_node = there.most_on_a_node if there and counted else None
        self._per_node = hardware.num_gpus_per_node.value if hardware else 0
        if self._free is not None:
            unscheduled = (graph for graph in own.values() if not is_scheduled(_pods_of(observed, graph)))
            self._free -= sum(map(_gpus_of, (*unscheduled, *observed.rivals)))

    def refusal(self, gpus: int, of_an_engine: int) -> str:
        """Say why GPUs cannot be had now; empty where they can.

        Args:
            gpus: How many there must be.
            of_an_engine: How many of them the largest engine has; they are on one node, as far as a node has so many.
        """
        together = min(of_an_engine, self._per_node)
        if gpus > self._left:
            return f"it needs {_count(gpus)}, and the other deployments that are measured leave {self._left}"
        if self._free is not None and gpus > self._free:
            return f"it needs {_count(gpus)}, and {max(0, self._free)} are free in the cluster"
        if gpus and self._on_a_node is not None and together > self._on_a_node:
            return f"it needs {_count(together)} on one node, and no node has more than {self._on_a_node} free"
        return ""

    def take(self, gpus: int) -> None:
        """Note GPUs that are taken."""
        self._left -= gpus
        self._free = None if self._free is None else self._free - gpus


def _waiting(message: str) -> TrialStatus:
    return TrialStatus(state=TrialState.WAITING, message=message[:_LONGEST_MESSAGE])


def _failed(message: str) -> TrialStatus:
    return TrialStatus(state=TrialState.FAILED, message=message[:_LONGEST_MESSAGE])


def _is_hopeless(problem: PodProblem, pods: list[Pod], now: dt.datetime) -> bool:
    """Say whether pods do not run, and will not by themselves."""
    if problem.reason in _CRASHING:
        return pod_problems.crashes(pods) >= _RESTARTS
    lasts = (now - problem.since).total_seconds() if problem.since else 0.0
    return problem.reason in _NOT_STARTING and lasts >= _NOT_STARTING_S


def _operators_words(graph: Graph) -> str:
    return next((c.message for c in graph.status.conditions if c.status == "False" and c.message), "")


def _pods_of(observed: ObservedState, graph: Graph) -> list[Pod]:
    return [pod for pod in observed.trial_pods if pod.metadata.labels.get(LABEL_GRAPH) == graph.metadata.name]


def _is_frontend(pod: Pod) -> bool:
    """Say whether a pod has no GPUs, by the labels that Dynamo's operator gives to it."""
    labels = pod.metadata.labels
    names = (labels.get("nvidia.com/dynamo-component-type", ""), labels.get("nvidia.com/dynamo-component", ""))
    return any(name.lower() == "frontend" for name in names)


def _age(graph: Graph) -> tuple[dt.datetime, str]:
    created = graph.metadata.creation_timestamp or dt.datetime.max.replace(tzinfo=dt.UTC)
    return created, graph.metadata.uid


def _gpus_of(graph: Graph) -> int:
    text = graph.metadata.annotations.get(ANNOTATION_GPUS, "")
    return int(text) if text.isdecimal() else 0


def _count(gpus: int) -> str:
    return f"{gpus} GPU{'s' if gpus > 1 else ''}"


def _events(log: TrialLog, before: TrialReport, now: TrialReport) -> Iterator[Event]:
    """Yield what people are told of trials: that one is deployed, and why one has failed."""
    for candidate in log.wanted:
        was, status = before.trials.get(candidate.id), now.trials.get(candidate.id)
        if status is None or (was is not None and was.state is status.state):
            continue
        title = f"{candidate.backend} {candidate.mode}, {candidate.shape} ({candidate.id})"
        if status.state is TrialState.FAILED:
            yield Event("TrialFailed", f"{title} cannot be measured: {status.message}", warning=True)
        elif status.state is TrialState.READY:
            yield Event("TrialReady", f"{title} is deployed and can be measured")
