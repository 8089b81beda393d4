import datetime as dt
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from dgdr_api.names import ANNOTATION_INPUTS, ANNOTATION_JOB_UID
from dgdr_api.v1beta1 import Phase
from dgdr_controller.kinds import Pod
from dgdr_controller.profiling_job.protocol import RunState
from dgdr_controller.reconciler.decision import WriteMode
from dgdr_controller.reconciler.observed_state import Need, ObservedState
from dgdr_controller.reconciler.phases.pending import pending
from dgdr_controller.reconciler.phases.profiling import needs, profiling
from test.builders.observed_state import (
    NOW,
    after,
    container,
    job_of,
    map_of,
    pod_of,
    published_of,
    rfc3339,
    run_of,
    said,
)
from test.builders.results import results_of

PULL = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}


@pytest.fixture
def following(profiling_state: ObservedState) -> ObservedState:
    """The Job runs and is remembered; nothing is published."""
    observed = replace(profiling_state, job=job_of(profiling_state))
    return replace(observed, output_map=map_of(observed, seen="job-1"))


def unschedulable(ago: float, *, dated: bool = True) -> Pod:
    message = "0/1 nodes are available: 1 Insufficient cpu."
    at = rfc3339(NOW - dt.timedelta(seconds=ago))
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod_of(created_ago=ago, conditions=[condition | ({"lastTransitionTime": at} if dated else {})])


# The Job


def test_job_is_remembered_before_anything_else(profiling_state: ObservedState) -> None:
    observed = replace(profiling_state, job=job_of(profiling_state), output_map=map_of(profiling_state))
    decision = profiling(observed)
    (ensured,) = decision.ensure
    assert ensured.mode is WriteMode.APPLY
    assert ensured.manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] == "job-1"
    assert ensured.manifest["metadata"]["annotations"][ANNOTATION_INPUTS] == run_of(observed).inputs
    assert decision.status == observed.status
    assert decision.after_s == 5


def test_second_job_is_remembered_beside_the_first(following: ObservedState) -> None:
    (ensured,) = profiling(replace(following, job=job_of(following, "job-2"))).ensure
    assert ensured.mode is WriteMode.APPLY
    assert ensured.manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] == "job-1,job-2"


def test_remembering_keeps_what_the_output_was_made_for(profiling_state: ObservedState) -> None:
    job = job_of(profiling_state, inputs="old")
    observed = replace(profiling_state, job=job, output_map=map_of(profiling_state, inputs="old"))
    (ensured,) = profiling(observed).ensure
    assert ensured.manifest["metadata"]["annotations"][ANNOTATION_INPUTS] == "old"


def test_job_that_runs_is_left_alone(following: ObservedState) -> None:
    decision = profiling(following)
    assert decision.status == following.status
    assert not decision.ensure
    assert not decision.events
    assert decision.after_s == 10  # by then it should have a pod


def test_job_that_is_not_there_yet_is_made(profiling_state: ObservedState) -> None:
    decision = profiling(profiling_state)
    assert decision.ensure[-1].manifest["kind"] == "Job"
    assert decision.status.phase is Phase.PROFILING
    assert not decision.events
    assert ANNOTATION_JOB_UID not in decision.ensure[1].manifest["metadata"]["annotations"]


def test_deleted_job_is_made_again_once(following: ObservedState) -> None:
    decision = profiling(replace(following, job=None))
    assert [ensure.manifest["kind"] for ensure in decision.ensure][-1] == "Job"
    (kept,) = [e for e in decision.ensure if e.manifest["metadata"]["name"] == "dgdr-output-qwen" and e.mode is WriteMode.APPLY
               and e.manifest["kind"] == "ConfigMap"]  # fmt: skip
    assert kept.manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] == "job-1"
    assert said(decision, "Profiling")[1] == "RetryingJob"
    assert [(event.reason, event.warning) for event in decision.events] == [("RetryingJob", True)]


def test_crash_between_making_the_second_job_and_remembering_it_does_not_give_a_third(
    following: ObservedState,
) -> None:
    again = after(following, profiling(replace(following, job=None)), job=job_of(following, "job-2"))
    (ensured,) = profiling(again).ensure
    seen = ensured.manifest["metadata"]["annotations"][ANNOTATION_JOB_UID]
    gone = replace(again, job=None, output_map=map_of(following, seen=seen))
    assert profiling(gone).status.phase is Phase.FAILED


def test_job_that_is_deleted_twice_fails(following: ObservedState) -> None:
    decision = profiling(replace(following, job=None, output_map=map_of(following, seen="job-1,job-2")))
    assert decision.status.phase is Phase.FAILED
    assert "deleted 2 times before its result was published" in said(decision, "Profiling")[2]
    assert not decision.ensure


@pytest.mark.parametrize(
    ("how", "reason"), [({"deleted": True}, "WaitingForCleanup"), ({"owner": "other"}, "NameConflict")]
)
def test_job_that_goes_or_is_anothers_is_waited_for(following: ObservedState, how: dict[str, Any], reason: str) -> None:
    observed = replace(following, job=job_of(following, Failed=("Odd", "no"), **how))
    decision = profiling(observed)
    assert decision.status.phase is Phase.PROFILING
    assert said(decision, "Profiling")[1] == reason
    assert not decision.ensure
    assert not decision.remove
    assert decision.after_s is not None
    gone = after(observed, decision, job=None)
    assert profiling(gone).ensure[-1].manifest["kind"] == "Job"


def test_job_of_other_inputs_is_not_followed(following: ObservedState) -> None:
    decision = profiling(replace(following, job=job_of(following, inputs="of an older spec")))
    assert decision.status.phase is Phase.PENDING
    observed = after(following, decision, job=job_of(following, inputs="of an older spec"))
    assert [remove.kind for remove in pending(observed).remove] == ["Job"]


def test_output_that_is_gone_is_made_again(following: ObservedState) -> None:
    decision = profiling(replace(following, output_map=None))
    assert decision.status.phase is Phase.PROFILING
    (ensured,) = decision.ensure
    assert ensured.manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] == "job-1"


def test_words_of_an_earlier_job_are_not_said_of_this_one(following: ObservedState) -> None:
    told = published_of(following, job="job-0", completed=5, total=6, error="of the job before")
    observed = replace(following, **told | {"output_map": map_of(following, seen="job-0,job-1")})
    assert profiling(observed).status.profiling_progress is None
    failed = profiling(replace(observed, job=job_of(following, Failed=("BackoffLimitExceeded", "too many"))))
    assert said(failed, "Profiling")[2] == "BackoffLimitExceeded: too many"


def test_long_message_is_cut(following: ObservedState) -> None:
    decision = profiling(replace(following, **published_of(following, message="x" * 900_000)))
    assert len(decision.status.model_dump_json()) < 10_000


@pytest.mark.parametrize("job", [True, False])
def test_status_without_hardware_begins_anew(following: ObservedState, job: bool) -> None:  # noqa: FBT001
    bare = following.status.model_copy(update={"hardware": None})
    observed = replace(following, request=following.request.model_copy(update={"status": bare}))
    observed = replace(observed, job=job_of(observed, "job-2") if job else None)
    assert profiling(observed).status.phase is Phase.PENDING


# What is published


def test_progress_is_shown(following: ObservedState) -> None:
    told = published_of(following, completed=2, total=3)
    decision = profiling(replace(following, **told))
    assert decision.status.profiling_phase == "SweepingDecode"
    assert decision.status.profiling_progress is not None
    assert (decision.status.profiling_progress.completed, decision.status.profiling_progress.total) == (2, 3)
    assert said(decision, "Profiling") == ("False", "SweepingDecode", "vllm aggregated")


def test_new_sub_phase_is_shown_at_once_and_progress_in_it_when_there_is_time(following: ObservedState) -> None:
    first = profiling(replace(following, **published_of(following)))
    assert not first.is_progress
    shown = after(following, first)
    assert profiling(replace(shown, **published_of(shown, completed=2, total=3))).is_progress
    assert not profiling(replace(shown, **published_of(shown, phase="SelectingConfig"))).is_progress


@pytest.mark.parametrize(
    "phase", ["Polishing", "Sweeping 2/5", "", "9 to 5", "ünïcode", "x" * 5000, "a\nb", " 9a", "_"]
)
def test_unknown_sub_phase_is_shown(following: ObservedState, phase: str) -> None:
    decision = profiling(replace(following, **published_of(following, phase=phase)))
    assert decision.status.phase is Phase.PROFILING
    assert (decision.status.profiling_phase or "") == phase[:253]
    job = job_of(following, Failed=("Odd", "no"))
    lost = profiling(replace(following, job=job, **published_of(following, phase=phase)))
    assert lost.status.phase is Phase.FAILED


@pytest.mark.parametrize(
    "job",
    [
        {},
        {"Failed": ("BackoffLimitExceeded", "too many")},
        {"Complete": 500},
        {"deleted": True},
        {"owner": "other"},
        None,
    ],
)
def test_result_counts_whatever_became_of_the_job(following: ObservedState, job: dict[str, Any] | None) -> None:
    seen = None if job is None else job_of(following, **job)
    decision = profiling(replace(following, job=seen, **published_of(following, results_of())))
    assert decision.status.phase is Phase.DEPLOYING
    assert said(decision, "Profiling")[:2] == ("True", "ProfilingCompleted")
    tried, exported = decision.ensure
    assert (tried.mode, exported.mode) == (WriteMode.DRY_RUN, WriteMode.APPLY)
    assert exported.manifest["metadata"]["name"] == "dgdr-output-qwen"


@pytest.mark.parametrize("code", [65, 69])
def test_refusal_fails_with_the_profilers_words(following: ObservedState, code: int) -> None:
    told = published_of(following, status=RunState.FAILED, exit_code=code, error="unknown model x")
    decision = profiling(replace(following, **told))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "Profiling") == ("False", "SweepingDecodeFailed", "unknown model x")
    assert [(event.reason, event.warning) for event in decision.events] == [("ProfilingJobFailed", True)]
    assert decision.status.profiling_progress is None


@pytest.mark.parametrize("code", [70, 75, None])
def test_failure_that_another_pod_may_mend_is_left_to_the_job(following: ObservedState, code: int | None) -> None:
    told = published_of(following, status=RunState.FAILED, exit_code=code, error="out of disk")
    decision = profiling(replace(following, **told))
    assert decision.status.phase is Phase.PROFILING
    failed = job_of(following, Failed=("BackoffLimitExceeded", "too many"))
    decision = profiling(replace(following, job=failed, **told))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "Profiling")[2] == "out of disk"


@pytest.mark.parametrize(
    "told",
    [
        {"status": RunState.FAILED, "exit_code": 65, "error": "of the run before"},
        {"results": True},
        {"phase": "OfTheRunBefore"},
    ],
)
def test_output_of_other_inputs_is_ignored(following: ObservedState, told: dict[str, Any]) -> None:
    results = results_of() if told.pop("results", False) else None
    observed = replace(following, **published_of(following, results, inputs="other", **told))
    assert profiling(observed).status == following.status
    failed = profiling(replace(observed, job=job_of(observed, Failed=("BackoffLimitExceeded", "too many"))))
    assert said(failed, "Profiling") == ("False", "ProfilingFailed", "BackoffLimitExceeded: too many")


# WriteMode Jobs end without a result


def test_failed_job_tells_what_its_container_said(following: ObservedState) -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "loading vllm\nKilled"}}
    pod = pod_of(containerStatuses=[container("profiler", **ended)])
    decision = profiling(replace(following, job=job_of(following, Failed=("BackoffLimitExceeded", "")), pods=(pod,)))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "Profiling")[2] == (
        "pod profile-qwen-x: container profiler ended with exit code 137 (OOMKilled): loading vllm; Killed"
    )


def test_pods_of_a_job_are_read_afresh_once_it_has_failed(following: ObservedState) -> None:
    failed, completed = job_of(following, Failed=("Odd", "")), job_of(following, Complete=("Odd", ""))
    assert Need.FRESH_PODS in needs(replace(following, job=failed))
    assert not any(Need.FRESH_PODS in needs(replace(following, job=job)) for job in (following.job, completed, None))


def test_container_without_last_words_is_named_all_the_same(following: ObservedState) -> None:
    pod = pod_of(containerStatuses=[container("profiler", terminated={"exitCode": 1, "reason": "Error"})])
    decision = profiling(replace(following, job=job_of(following, Failed=("Odd", "")), pods=(pod,)))
    assert said(decision, "Profiling")[2].endswith("ended with exit code 1 (Error)")


def test_other_containers_and_good_ends_explain_nothing(following: ObservedState) -> None:
    ends = [
        container("other", terminated={"exitCode": 1, "reason": "Error"}),
        container("profiler", terminated={"exitCode": 0, "reason": "Completed"}),
    ]
    job = job_of(following, Failed=("DeadlineExceeded", "Job was active longer than specified deadline"))
    decision = profiling(replace(following, job=job, pods=(pod_of(containerStatuses=ends),)))
    assert said(decision, "Profiling")[2] == "it exceeded its deadline of 30 min (DeadlineExceeded)"


def test_deadline_is_told_before_what_the_profiler_said_when_it_was_stopped(following: ObservedState) -> None:
    told = published_of(following, status=RunState.FAILED, exit_code=75, error="interrupted", message="interrupted")
    job = job_of(following, Failed=("DeadlineExceeded", ""))
    decision = profiling(replace(following, job=job, **told))
    assert said(decision, "Profiling")[2].startswith(
        "it exceeded its deadline of 30 min (DeadlineExceeded); last progress"
    )


def test_failure_of_the_publisher_is_said(following: ObservedState) -> None:
    told = published_of(following, status=RunState.FAILED, exit_code=70, error="they do not fit into a ConfigMap")
    decision = profiling(replace(following, job=job_of(following, Complete=100), **told))
    assert said(decision, "Profiling")[2] == "they do not fit into a ConfigMap"


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        ({"exitCode": 137, "reason": "OOMKilled", "message": ""}, "OOMKilled"),
        ({"exitCode": 70, "reason": "Error", "message": "a bug"}, "ProfilerEnded"),
    ],
)
def test_profiler_that_died_is_told_of_and_left_to_the_job(
    following: ObservedState, ended: dict[str, Any], reason: str
) -> None:
    pod = pod_of(created_ago=5000, containerStatuses=[container("profiler", terminated=ended)])
    observed = replace(following, pods=(pod,))
    decision = profiling(observed)
    assert decision.status.phase is Phase.PROFILING
    assert said(decision, "Profiling")[1] == reason
    assert [event.reason for event in decision.events] == [reason]
    younger = pod_of("profile-qwen-y", created_ago=1, containerStatuses=[container("profiler", running={})])
    assert said(profiling(after(observed, decision, pods=(pod, younger))), "Profiling")[1] == "ProfilingRunning"


def test_job_without_a_pod_is_told_of(following: ObservedState) -> None:
    job = following.job
    assert job is not None
    old = msgspec.structs.replace(
        job, metadata=msgspec.structs.replace(job.metadata, creation_timestamp=NOW - dt.timedelta(seconds=11))
    )
    decision = profiling(replace(following, job=old))
    assert said(decision, "Profiling")[1] == "WaitingForPod"
    assert "kubectl describe job profile-qwen" in said(decision, "Profiling")[2]
    assert not decision.remove
    assert decision.after_s is not None


def test_trouble_begins_when_the_pod_was_scheduled(following: ObservedState) -> None:
    at = rfc3339(NOW - dt.timedelta(seconds=5))
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at}
    pod = pod_of(created_ago=2000, conditions=[scheduled], containerStatuses=[container("profiler", **PULL)])
    assert profiling(replace(following, pods=(pod,))).status.phase is Phase.PROFILING


def test_trouble_of_a_moment_is_not_told(following: ObservedState) -> None:
    decision = profiling(replace(following, pods=(unschedulable(1),)))
    assert decision.status == following.status
    assert not decision.events
    assert decision.after_s == pytest.approx(2.5)


def test_trouble_is_an_event_once_whatever_words_it_finds(following: ObservedState) -> None:
    def pods(reason: str) -> tuple[Pod, ...]:
        return (pod_of(containerStatuses=[container("profiler", waiting={"reason": reason, "message": reason})]),)

    observed = replace(following, pods=pods("ErrImagePull"))
    decision = profiling(observed)
    assert decision.events
    again = profiling(after(observed, decision, pods=pods("ImagePullBackOff")))
    assert not again.events
    assert "ImagePullBackOff" in said(again, "Profiling")[2]


def test_completed_jobs_result_is_waited_for_a_minute(following: ObservedState) -> None:
    decision = profiling(replace(following, job=job_of(following, Complete=59)))
    assert decision.status.phase is Phase.PROFILING
    assert decision.after_s is not None
    decision = profiling(replace(following, job=job_of(following, Complete=61)))
    assert decision.status.phase is Phase.FAILED
    assert "its result was not published" in said(decision, "Profiling")[2]


# Pods that do not run


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        (
            pod_of(containerStatuses=[container("profiler", **PULL)]),
            "ImagePullFailed",
            'pod profile-qwen-x cannot start: ImagePullBackOff of registry/profiler:1: Back-off pulling image "x"',
        ),
        (
            pod_of(initContainerStatuses=[container("output-copier", waiting={"reason": "ErrImageNeverPull"})]),
            "ImagePullFailed",
            "pod profile-qwen-x cannot start: ErrImageNeverPull of registry/output-copier:1",
        ),
        (
            pod_of(
                containerStatuses=[
                    container("profiler", waiting={"reason": "CreateContainerConfigError", "message": "no secret"})
                ]
            ),
            "ContainerConfigError",
            "pod profile-qwen-x cannot start: CreateContainerConfigError of registry/profiler:1: no secret",
        ),
        (
            unschedulable(10),
            "Unschedulable",
            "pod profile-qwen-x cannot be scheduled: 0/1 nodes are available: 1 Insufficient cpu.",
        ),
    ],
)
def test_trouble_is_shown_in_the_pods_words(following: ObservedState, pod: Pod, reason: str, words: str) -> None:
    observed = replace(following, pods=(pod,))
    decision = profiling(observed)
    assert decision.status.phase is Phase.PROFILING
    told = f"{words} (since 03:03 UTC; the request fails at 03:18 UTC)"
    assert said(decision, "Profiling") == ("False", reason, told)
    assert [(event.reason, event.message, event.warning) for event in decision.events] == [(reason, told, True)]
    assert decision.after_s == pytest.approx(900 - 10 + 1)
    again = profiling(after(observed, decision))
    assert not again.events
    assert again.status == decision.status


def test_trouble_that_the_job_limits_tells_the_attempt_and_the_end(following: ObservedState) -> None:
    interrupted = {"terminated": {"exitCode": 75, "reason": "Error", "message": "the hub cannot be reached"}}
    pods = tuple(
        pod_of(f"p{n}", created_ago=60 - n, containerStatuses=[container("profiler", **interrupted)]) for n in (1, 2)
    )
    assert following.job is not None
    made = msgspec.structs.replace(following.job.metadata, creation_timestamp=NOW - dt.timedelta(seconds=120))
    observed = replace(following, pods=pods, job=msgspec.structs.replace(following.job, metadata=made))
    assert said(profiling(observed), "Profiling")[1:] == (
        "ProfilerEnded",
        (
            "pod p2: container profiler ended with exit code 75 (Error): the hub cannot be reached (attempt 2; the Job ends by "
            "03:32 UTC)"
        ),
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda ago: pod_of(created_ago=ago, containerStatuses=[container("profiler", **PULL)]),
        unschedulable,
        lambda ago: unschedulable(ago, dated=False),
    ],
)
def test_trouble_that_stays_fails_once_the_grace_is_over(following: ObservedState, make: Any) -> None:
    assert profiling(replace(following, pods=(make(900),))).status.phase is Phase.PROFILING
    decision = profiling(replace(following, pods=(make(901),)))
    assert decision.status.phase is Phase.FAILED
    assert said(decision, "Profiling")[2].endswith("(for 15 min)")
    assert "profile-qwen-x" in said(decision, "Succeeded")[2]
    assert following.job is not None
    assert [(remove.kind, remove.uid) for remove in decision.remove] == [("Job", following.job.metadata.uid)]


def test_spec_that_changes_meanwhile_is_profiled_anew(following: ObservedState) -> None:
    changed = following.request.model_copy(
        update={"spec": following.request.spec.model_copy(update={"model": "Qwen/Qwen3-8B"})}
    )
    decision = profiling(replace(following, request=changed, generation=following.generation + 1))
    assert decision.status.phase is Phase.PENDING
    assert decision.status.observed_generation == following.generation + 1
    assert decision.status.hardware is None
    assert [event.reason for event in decision.events] == ["SpecChanged"]


def test_switching_auto_apply_meanwhile_does_not_profile_anew(following: ObservedState) -> None:
    changed = following.request.model_copy(
        update={"spec": following.request.spec.model_copy(update={"auto_apply": False})}
    )
    decision = profiling(replace(following, request=changed, generation=following.generation + 1))
    assert decision.status.phase is Phase.PROFILING


def test_trouble_that_is_over_is_not_said_any_more(following: ObservedState) -> None:
    observed = replace(following, pods=(pod_of(containerStatuses=[container("profiler", **PULL)]),))
    observed = after(
        observed, profiling(observed), pods=(pod_of(containerStatuses=[container("profiler", running={})]),)
    )
    assert said(profiling(observed), "Profiling")[1] == "ProfilingRunning"


@pytest.mark.parametrize("state", [{}, {"running": {}}, {"waiting": {"reason": "ContainerCreating"}}])
def test_pod_that_starts_or_runs_is_no_trouble(following: ObservedState, state: dict[str, Any]) -> None:
    observed = replace(following, pods=(pod_of(created_ago=5000, containerStatuses=[container("profiler", **state)]),))
    assert profiling(observed).status == following.status


def test_result_beats_trouble(following: ObservedState) -> None:
    told = published_of(following, results_of())
    assert profiling(replace(following, pods=(unschedulable(5000),), **told)).status.phase is Phase.DEPLOYING
