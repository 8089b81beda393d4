"""The objects of the request's profiling run, which Pending creates and Profiling looks after."""

from collections.abc import Sequence
from dataclasses import replace

from dgdr_api.conditions import Profiling
from dgdr_api.hardware import HardwareUsed
from dgdr_api.names import ANNOTATION_INPUTS, ANNOTATION_JOB_UID, ANNOTATION_SPEC
from dgdr_api.trials import TrialReport
from dgdr_controller.deployment.render.images import engines_release
from dgdr_controller.deployment.render.releases import NEWEST
from dgdr_controller.hardware.status import used
from dgdr_controller.kinds import GRAPHS_V1ALPHA1
from dgdr_controller.profiling_job import builder
from dgdr_controller.profiling_job.output import Output, trial_status
from dgdr_controller.profiling_job.run import Run
from dgdr_controller.reconciler.decision import Ensure, WriteMode
from dgdr_controller.reconciler.observed_state import ObservedState


def current(observed: ObservedState) -> Run | None:
    """Return the run for the present spec on the hardware in the status; None before that is resolved."""
    hardware = used(observed.status.hardware)
    return run_on(hardware, observed) if hardware else None


def run_on(hardware: HardwareUsed, observed: ObservedState) -> Run:
    """Return the run for the present spec on some hardware."""
    release = engines_release(observed.request, observed.settings)
    older = None if release is NEWEST else str(release)
    v1alpha1 = observed.graphs == GRAPHS_V1ALPHA1
    return Run(observed.request, hardware, observed.settings, older, v1alpha1, observed.measurements, observed.base)


def objects(observed: ObservedState, run: Run) -> list[Ensure]:
    """Return the objects of a run, the Job last: when it is there, everything is."""
    return [
        Ensure(builder.input_config_map(run), WriteMode.CREATE),
        output_map(observed, run, seen_jobs(observed)),
        Ensure(builder.service_account(run), WriteMode.APPLY),
        Ensure(builder.role(run), WriteMode.APPLY),
        Ensure(builder.role_binding(run), WriteMode.APPLY),
        Ensure(builder.job(run), WriteMode.CREATE, condition=Profiling),
    ]


def tried(run: Run) -> Ensure:
    """Return the Job as it is tried before anything of the run is made: one that is refused leaves nothing behind."""
    return Ensure(builder.job(run), WriteMode.DRY_RUN, condition=Profiling, waits=True)


def seen_jobs(observed: ObservedState) -> list[str]:
    """Return the UIDs of this run's Jobs, which the output's ConfigMap remembers: a count would miss a crash."""
    annotations = observed.output_map.metadata.annotations if observed.output_map else {}
    return [uid for uid in annotations.get(ANNOTATION_JOB_UID, "").split(",") if uid]


def answered(observed: ObservedState, run: Run, report: TrialReport) -> Ensure:
    """Return the ConfigMap of the output with what a thorough search is answered of its deployments.

    It is written whatever the publisher has written meanwhile.
    """
    written = output_map(observed, run, seen_jobs(observed))
    metadata = {name: value for name, value in written.manifest["metadata"].items() if name != "resourceVersion"}
    return replace(written, manifest=written.manifest | {"metadata": metadata, "data": trial_status(report)})


def output_map(observed: ObservedState, run: Run, jobs: Sequence[str]) -> Ensure:
    """Return the ConfigMap of the output, with the Jobs that there have been.

    One that is there is changed only as it was seen: who has not heard of a Job yet must not strike it off.
    """
    manifest, known = builder.output_config_map(run), observed.output_map
    if jobs:
        manifest["metadata"]["annotations"][ANNOTATION_JOB_UID] = ",".join(jobs)
    if known is None:
        return Ensure(manifest, WriteMode.CREATE)
    annotations = manifest["metadata"]["annotations"]
    annotations |= {
        name: value
        for name, value in known.metadata.annotations.items()
        if name in (ANNOTATION_INPUTS, ANNOTATION_SPEC)
    }
    manifest["metadata"]["resourceVersion"] = known.metadata.resource_version
    return Ensure(manifest, WriteMode.APPLY)


def output(observed: ObservedState) -> Output | None:
    """Return the output of this run: for the inputs that its ConfigMap was created for, not of an earlier run."""
    if observed.output is None or observed.output_map is None:
        return None
    inputs = observed.output_map.metadata.annotations.get(ANNOTATION_INPUTS)
    return observed.output if observed.output.inputs == inputs else None
