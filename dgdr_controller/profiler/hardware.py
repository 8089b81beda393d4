"""Hardware without a cluster: the command line, then the request, then the SKU's line in the table."""

from dataclasses import dataclass, field

from dgdr_api.error_list import ErrorList
from dgdr_api.errors import InvalidRequestError
from dgdr_api.gpus import Gpu, find_gpu, unknown_gpu
from dgdr_api.hardware import HardwareUsed, Resolved, ValueSource
from dgdr_api.v1beta1 import Hardware

_NO_CLUSTER = "there is no cluster to discover it from; set it, or use {option}"


_OTHER_DEVICE = 0.05
"""Relative difference in memory from which on it is another device, not another way of counting."""


@dataclass(frozen=True, slots=True)
class HardwareOptions:
    """Hardware given on the command line; it stands before what the request says."""

    gpu_sku: str | None = None
    total_gpus: int | None = None
    gpus_per_node: int | None = None


@dataclass(slots=True)
class _Findings:
    """What is wrong, and what was replaced."""

    errors: ErrorList = field(default_factory=ErrorList)
    notes: list[str] = field(default_factory=list)

    def replaced(self, option: str, ours: object, name: str, theirs: object) -> None:
        if theirs not in (None, ours):
            self.notes.append(f"{option} {ours} replaces {name} {theirs}")


def resolve_hardware(spec: Hardware, options: HardwareOptions) -> tuple[Gpu, HardwareUsed, list[str]]:
    """Return the GPU, everything about the hardware with its sources, and notes on what was replaced.

    Raises:
        InvalidRequestError: Something is missing, unknown or below 1; all of it is named.
    """
    findings = _Findings()
    gpu = _gpu(spec, options, findings)
    total = _count("totalGpus", "--total-gpus", spec.total_gpus, options.total_gpus, findings)
    per_node = _count(
        *("numGpusPerNode", "--gpus-per-node", spec.num_gpus_per_node, options.gpus_per_node, findings),
        fallback=gpu.gpus_per_node if gpu else 1,
    )
    if findings.errors.errors or gpu is None or total is None or per_node is None:
        raise InvalidRequestError(findings.errors.errors)
    vram = Resolved(value=gpu.vram_mib, source=ValueSource.SKU_TABLE)
    if spec.vram_mb and abs(spec.vram_mb / gpu.vram_mib - 1) > _OTHER_DEVICE:
        findings.notes.append(
            f"spec.hardware.vramMb is {int(spec.vram_mb)}, but {gpu.sku} has {gpu.vram_mib}: the estimates are for the "
            "latter; only candidates that fit in the former are offered"
        )
    hardware = HardwareUsed(
        gpu_sku=gpu.sku,
        gpu_sku_source=ValueSource.COMMAND_LINE if options.gpu_sku else ValueSource.SPEC,
        total_gpus=total,
        num_gpus_per_node=per_node,
        vram_mib=Resolved(value=int(spec.vram_mb), source=ValueSource.SPEC) if spec.vram_mb else vram,
    )
    return gpu, hardware, findings.notes


def _gpu(spec: Hardware, options: HardwareOptions, findings: _Findings) -> Gpu | None:
    sku = options.gpu_sku or spec.gpu_sku
    if sku is None:
        reason = _NO_CLUSTER.format(option="--gpu-sku")
        findings.errors.required("spec.hardware.gpuSku", reason)
        return None
    gpu = find_gpu(sku)
    if gpu is None:
        findings.errors.extend([unknown_gpu("--gpu-sku" if options.gpu_sku else "spec.hardware.gpuSku", sku)])
    if options.gpu_sku:
        findings.replaced("--gpu-sku", options.gpu_sku, "spec.hardware.gpuSku", spec.gpu_sku)
    return gpu


def _count(
    name: str, option: str, theirs: int | None, ours: int | None, findings: _Findings, *, fallback: int | None = None
) -> Resolved | None:
    """Resolve a number of GPUs; None when it is missing, which is then an error."""
    path = f"spec.hardware.{name}"
    if ours is not None:
        if ours < 1:
            findings.errors.invalid(option, ours, "must be at least 1")
        findings.replaced(option, ours, path, theirs)
        return Resolved(value=ours, source=ValueSource.COMMAND_LINE)
    if theirs is not None:
        return Resolved(value=theirs, source=ValueSource.SPEC)
    if fallback is not None:
        return Resolved(value=fallback, source=ValueSource.SKU_TABLE)
    findings.errors.required(path, _NO_CLUSTER.format(option=option))
    return None
