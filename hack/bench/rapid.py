"""``make bench-rapid``: `dgdr plan` against ``aiconfigurator cli default`` on the same requests, cold processes.

Both end with everything known – the recommendation and all alternatives – and written to files, so there is one time
for both. The bars are this project's own.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dgdr_api.results import Results
from hack.bench.processes import Measured, measure

_BIN = Path(sys.executable).parent
_WORKLOAD = {"isl": 4000, "osl": 1000}
_TTFT_MS, _ITL_MS = 2000, 30
_MOST_MB = 900
_LEAST_SHARE = 0.99


@dataclass(frozen=True, slots=True)
class Case:
    """A request, and the bars for it: ours over theirs, recommendation and whole set."""

    name: str
    model: str
    backend: str
    gpus: int
    recommendation: float
    whole: float


_CASES = (
    Case("dense, one backend, 8 GPUs", "Qwen/Qwen3-32B", "vllm", 8, 0.45, 0.6),
    Case("dense, auto, 8 GPUs", "Qwen/Qwen3-32B", "auto", 8, 0.35, 0.5),
    Case("DeepSeek-R1, sglang, 32 GPUs", "deepseek-ai/DeepSeek-R1", "sglang", 32, 0.15, 0.5),
)


def main() -> int:
    """Run all cases and print a table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, alternated (default 3)")
    parser.add_argument("--case", default="", help="only cases whose name contains this")
    asked = parser.parse_args()
    missed = False
    print(f"{'case':<30} {'AIC s':>16} {'ours s':>16} {'ratio':>6} {'bar':>5} {'MB':>4} {'best':>6}")
    for case in (case for case in _CASES if asked.case in case.name):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            theirs, ours = [], []
            for _ in range(asked.runs):
                theirs.append(measure(_theirs(case, folder), folder))
                ours.append(measure(_ours(case, folder), folder))
            share = _best_of_ours(folder) / _best_of_theirs(folder)
        ratio = statistics.median(run.wall_s for run in ours) / statistics.median(run.wall_s for run in theirs)
        memory = max(run.peak_mb for run in ours)
        bar = min(case.recommendation, case.whole)
        missed |= ratio > bar or memory > _MOST_MB or share < _LEAST_SHARE
        print(
            f"{case.name:<30} {_walls(theirs):>16} {_walls(ours):>16} {ratio:>6.2f} {bar:>5} "
            f"{memory:>4.0f} {share:>6.1%}",
            flush=True,
        )
    print("ratio: ours / AIC's, medians; MB: our peak; best: our best tokens/s/GPU under the targets / AIC's")
    return int(missed)


def _walls(runs: list[Measured]) -> str:
    return " ".join(f"{run.wall_s:.1f}" for run in runs)


def _theirs(case: Case, folder: Path) -> list[str]:
    targets = ["--ttft", str(_TTFT_MS), "--tpot", str(_ITL_MS)]
    workload = [part for key, value in _WORKLOAD.items() for part in (f"--{key}", str(value))]
    return [
        *(str(_BIN / "aiconfigurator"), "cli", "default", "--model-path", case.model, "--backend", case.backend),
        *("--system", "h200_sxm", "--total-gpus", str(case.gpus), *workload, *targets),
        *("--save-dir", str(folder / "theirs")),
    ]


def _ours(case: Case, folder: Path) -> list[str]:
    request: dict[str, Any] = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeploymentRequest",
        "metadata": {"name": "bench"},
        "spec": {
            "model": case.model,
            "backend": case.backend,
            "hardware": {"gpuSku": "h200_sxm", "totalGpus": case.gpus, "numGpusPerNode": 8},
            "workload": _WORKLOAD,
            "sla": {"ttft": _TTFT_MS, "itl": _ITL_MS},
        },
    }
    (folder / "request.yaml").write_text(yaml.safe_dump(request))
    return [str(_BIN / "dgdr"), "plan", "-f", "request.yaml", "-o", "ours"]


def _best_of_ours(folder: Path) -> float:
    """Most tokens/s/GPU of a replica under the targets, whatever can be rendered: AIC does not ask that."""
    results = Results.model_validate_json((folder / "ours" / "results.json").read_bytes())
    estimates = [candidate.simulated or candidate.numbers for candidate in results.candidates]
    return max(
        estimate.tokens_per_s_per_gpu for estimate in estimates if estimate.ttft <= _TTFT_MS and estimate.itl <= _ITL_MS
    )


def _best_of_theirs(folder: Path) -> float:
    """The same of AIC, over all its saved tables of the last run."""
    tables = [path.read_text().splitlines() for path in (folder / "theirs").rglob("best_config_topn.csv")]
    best = 0.0
    for header, *lines in tables:
        column = header.split(",").index("tokens/s/gpu")
        best = max(best, *(float(line.split(",")[column]) for line in lines if line))
    return best


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)} ended with {error.returncode}:\n{error.output.decode()[-2000:]}")
