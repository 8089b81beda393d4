import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REQUEST_WRONG, NOT_DEPLOYABLE, INTERRUPTED = 65, 69, 75


def refused(run: subprocess.CompletedProcess[str], code: int, *sentences: str) -> None:
    assert run.returncode == code, run.stderr
    assert "Traceback" not in run.stderr
    for sentence in sentences:
        assert sentence in run.stderr
    assert run.stdout == "" or code == NOT_DEPLOYABLE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "dgdr.yaml: holds no document; expected a DynamoGraphDeploymentRequest"),
        ("spec: {model: [", "dgdr.yaml: not YAML: line 1, column "),
        ("a: 1\na: 2\n", "dgdr.yaml: not YAML: line 2, column 1: duplicate or unusable key 'a'"),
        ("just text", "(document): Invalid value: must be a DynamoGraphDeploymentRequest object"),
        (
            "kind: Pod\napiVersion: v1\n",
            'kind: Unsupported value: "Pod": supported values: "DynamoGraphDeploymentRequest"',
        ),
        (
            "kind: DynamoGraphDeploymentRequest\napiVersion: nvidia.com/v1\n",
            'apiVersion: Unsupported value: "nvidia.com/v1": supported values: "nvidia.com/v1beta1", "nvidia.com/v1alpha1"',
        ),
        ("\x00\x01", "dgdr.yaml: not YAML"),
    ],
)
def test_file_that_is_no_request(dgdr: Any, tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "dgdr.yaml").write_text(text)
    for command in ("plan", "validate"):
        refused(dgdr(command, "-f", "dgdr.yaml"), REQUEST_WRONG, sentence)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "not UTF-8 text"),
        (lambda path: path.write_text("a: " + "x" * 2_000_000), "larger than 1500000 bytes"),
    ],
)
def test_file_that_cannot_be_read(dgdr: Any, tmp_path: Path, make: Callable[[Path], object], sentence: str) -> None:
    make(tmp_path / "dgdr.yaml")
    refused(
        dgdr("plan", "-f", "dgdr.yaml"),
        REQUEST_WRONG,
        f"Error: dgdr.yaml: {sentence}" if "larger" not in sentence else sentence,
    )


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"model": None}, "spec.model: Required value"),
        ({"modle": "x"}, 'spec.modle: Unknown field: did you mean "model"?'),
        (
            {"backend": "tgi"},
            'spec.backend: Unsupported value: "tgi": supported values: "auto", "sglang", "trtllm", "vllm"',
        ),
        (
            {"hardware": {"gpuSku": "H200-SXM"}},
            'spec.hardware.gpuSku: Unsupported value: "H200-SXM": did you mean "h200_sxm"? supported values: "vr_nvl72"',
        ),
        (
            {"workload": {"requestRate": 1e308}},
            "spec.workload.requestRate: Invalid value: 1e+308: must be at most 1000000000",
        ),
        (
            {"hardware": {"gpuSku": "h100_sxm", "totalGpus": 0}},
            "spec.hardware.totalGpus: Invalid value: 0: must be at least 1",
        ),
        (
            {"hardware": None},
            "spec.hardware.gpuSku: Required value: there is no cluster to discover it from; set it, or use --gpu-sku",
        ),
        ({"hardware": None}, "spec.hardware.totalGpus: Required value"),
        ({"sla": {"ttft": "fast"}}, 'spec.sla.ttft: Invalid value: "fast": must be a number'),
        (
            {"overrides": {"dgd": {"spec": {"services": {"Wroker": {"replicas": 1}}}}}},
            'spec.overrides.dgd.spec.services.Wroker: Invalid value: "Wroker": is not a component of this deployment',
        ),
        ({"overrides": {"dgd": {"kind": "Deployment"}}}, "spec.overrides.dgd.apiVersion: Required value"),
    ],
)
def test_wrong_field(dgdr: Any, write: Callable[..., str], spec: dict[str, Any], sentence: str) -> None:
    refused(dgdr("plan", "-f", write(**spec)), REQUEST_WRONG, f"Error: {sentence}")


def test_options_are_checked_like_fields(dgdr: Any, write: Callable[..., str]) -> None:
    run = dgdr("plan", "-f", write(), "--gpu-sku", "h99", "--total-gpus", "0")
    refused(
        run, REQUEST_WRONG, '--gpu-sku: Unsupported value: "h99"', "--total-gpus: Invalid value: 0: must be at least 1"
    )


def test_folder_that_cannot_be_written_to_is_said_before_the_search(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "file/below", "/proc/none"):
        refused(dgdr("plan", "-f", write(), "-o", folder), 2, f"Error: Invalid value for --output: {folder}: ")


def test_setting_that_is_no_object_is_refused(dgdr: Any, write: Callable[..., str]) -> None:
    refused(dgdr("plan", "-f", write(), DGDR_DYNAMO="x"), REQUEST_WRONG, "Error: settings in the environment: ")


def test_wrong_setting_is_named(dgdr: Any, write: Callable[..., str]) -> None:
    run = dgdr("plan", "-f", write(), DGDR_DYNAMO__VERSION="latest")
    refused(run, REQUEST_WRONG, "setting DGDR_DYNAMO__VERSION: ")


def test_manager_does_not_start_with_an_unknown_mode_of_rights(dgdr: Any) -> None:
    sentence = "Error: setting DGDR_RIGHTS__MODE: Input should be 'open', 'enforce' or 'forbid'"
    refused(dgdr("manager", DGDR_RIGHTS__MODE="forbidden"), REQUEST_WRONG, sentence)


def test_several_requests_in_a_file_need_a_name(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    first = (tmp_path / write("one")).read_text()
    second = (tmp_path / write("two", hardware=None)).read_text()
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n"
    (tmp_path / "dgdr.yaml").write_text("---\n".join([namespace, first, second]))
    refused(
        dgdr("plan", "-f", "dgdr.yaml"), REQUEST_WRONG, "dgdr.yaml: 2 requests: holds one, two: choose one with --name"
    )
    refused(dgdr("plan", "-f", "dgdr.yaml", "--name", "three"), REQUEST_WRONG, 'holds no request named "three"')
    refused(dgdr("plan", "-f", "dgdr.yaml", "--name", "two"), REQUEST_WRONG, "spec.hardware.gpuSku: Required value")
    run = dgdr("validate", "-f", "dgdr.yaml")
    assert (run.returncode, run.stdout) == (0, "dgdr.yaml: one: valid\ndgdr.yaml: two: valid\n")


@pytest.mark.aic
def test_unknown_model_gets_a_suggestion_although_the_hub_is_out_of_reach(
    dgdr_process: Any, write: Callable[..., str]
) -> None:
    run = dgdr_process("plan", "-f", write(model="Qwen/Qwen3-32"), HF_ENDPOINT="http://127.0.0.1:9")
    refused(
        run,
        INTERRUPTED,
        "spec.model: Model 'Qwen/Qwen3-32' is unknown to the simulator, and the Hugging Face hub cannot be reached",
        "did you mean Qwen/Qwen3-32B",
    )


@pytest.mark.aic
def test_model_that_the_engine_does_not_load(dgdr: Any, write: Callable[..., str]) -> None:
    run = dgdr("plan", "-f", write(model="XiaomiMiMo/MiMo-7B-Base", backend="trtllm"))
    refused(
        run, REQUEST_WRONG, "Model 'XiaomiMiMo/MiMo-7B-Base' not supported by backend 'trtllm': it has architecture"
    )


@pytest.mark.aic
def test_model_cache_without_the_model(dgdr: Any, write: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "cache" / "other").mkdir(parents=True)
    file = write(model="mine", modelCache={"pvcName": "claim", "pvcModelPath": "llm"})
    refused(
        dgdr("plan", "-f", file, "--model-cache", "cache"),
        REQUEST_WRONG,
        "spec.modelCache.pvcModelPath: there is no config.json under 'llm' of claim claim; its root has: other/",
    )


@pytest.mark.aic
def test_workload_beyond_the_models_context(dgdr: Any, write: Callable[..., str]) -> None:
    run = dgdr("plan", "-f", write(model="Qwen/Qwen3-32B", workload={"isl": 40000, "osl": 1000}))
    refused(
        run, REQUEST_WRONG, "spec.workload: isl + osl is 41000 tokens, but the context of Qwen/Qwen3-32B ends at 40960"
    )


@pytest.mark.aic
@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"hardware": {"gpuSku": "a100_sxm", "totalGpus": 1, "vramMb": 12000}}, "engines may use 10.8"),
        (
            {"model": "meta-llama/Meta-Llama-3.1-405B"},
            "its weights take 756 GiB, and an engine may use 74 GiB of each GPU; the smallest sufficient number of "  # noqa: ISC004
            "these GPUs is 16",
        ),
    ],
)
def test_request_that_cannot_be_deployed(
    dgdr: Any, write: Callable[..., str], spec: dict[str, Any], sentence: str
) -> None:
    refused(dgdr("plan", "-f", write(**spec)), NOT_DEPLOYABLE, sentence)


@pytest.mark.aic
def test_deployment_of_an_earlier_run_is_kept_and_said_to_be_one(
    dgdr: Any, write: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    earlier = tmp_path / "out" / "dgd.yaml"
    earlier.write_text("earlier")
    hardware = {"gpuSku": "l4", "totalGpus": 1}
    for model, code in (("none/such/model", REQUEST_WRONG), ("meta-llama/Meta-Llama-3.1-405B", NOT_DEPLOYABLE)):
        run = dgdr("plan", "-f", write(model=model, hardware=hardware), "-o", "out")
        refused(run, code, "out/dgd.yaml is from an earlier run and was not changed")
        assert earlier.read_text() == "earlier"


@pytest.mark.aic
def test_search_beyond_its_deadline_can_be_run_again(dgdr_process: Any, write: Callable[..., str]) -> None:
    write(model="Qwen/Qwen3-30B-A3B", hardware={"gpuSku": "h100_sxm", "totalGpus": 8})  # takes ten seconds and more
    run = dgdr_process("plan", "-f", "dgdr.yaml", "--deadline", "1")
    refused(run, INTERRUPTED, "no search succeeded: vllm aggregated: took longer than 1 s")


@pytest.mark.aic
@pytest.mark.parametrize("moment", ["loading", "searching"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupt_ends_with_one_line_and_no_process(
    write: Callable[..., str], tmp_path: Path, name: str, moment: str
) -> None:
    write(backend="auto", hardware={"gpuSku": "h100_sxm", "totalGpus": 8})
    process = started("-o", "out", folder=tmp_path)
    wait_for(moment, process, tmp_path)
    os.killpg(process.pid, signal.Signals[name])  # as a terminal does: the whole group hears it
    process.wait(timeout=20)
    stderr = (tmp_path / "stderr").read_text()
    assert (process.returncode, stderr.splitlines()[-1]) == (INTERRUPTED, "dgdr: interrupted")
    assert "Traceback" not in stderr
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    wait_until_gone(process.pid)


def test_interrupt_within_an_exec_of_a_library_ends_with_the_same_code(tmp_path: Path) -> None:
    """As while a dataclass is made; the interpreter remembers one as unhandled that an exec of a text has let out."""
    (tmp_path / "interrupted.py").write_text(
        "from dgdr_controller import cli\n"
        "cli.run = lambda _: exec('raise KeyboardInterrupt')\n"
        "if __name__ == '__main__':\n"
        "    cli.main()\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    program = subprocess.run(
        [sys.executable, "-m", "interrupted"], capture_output=True, check=False, text=True, env=environment, timeout=60
    )
    assert (program.returncode, program.stderr) == (INTERRUPTED, "dgdr: interrupted\n")


@pytest.mark.aic
def test_workers_do_not_outlive_a_parent_that_is_killed(write: Callable[..., str], tmp_path: Path) -> None:
    write(model="Qwen/Qwen3-30B-A3B", backend="auto", hardware={"gpuSku": "h100_sxm", "totalGpus": 8})
    process = started(folder=tmp_path)
    wait_for("searching", process, tmp_path)
    process.kill()
    process.wait()
    wait_until_gone(process.pid)


def started(*args: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a plan that takes a while, as the leader of a group; it writes its errors into a file."""
    with (folder / "stderr").open("w") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "dgdr_controller", "plan", "-f", "dgdr.yaml", *args],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )


def wait_for(moment: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a plan loads the simulator (its server process is there) or searches (workers are, too)."""
    others = 2  # the server process, and multiprocessing's tracker of resources
    limit = time.monotonic() + 60
    while True:
        loaded = "simulator: " in (folder / "stderr").read_text()
        workers = len(living(process.pid)) - 1 - others
        if (loaded and workers > 0) if moment == "searching" else (not loaded and workers >= 0):
            return
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)


def wait_until_gone(group: int) -> None:
    """Wait until no process of a group runs; zombies that nobody reaps have ended."""
    limit = time.monotonic() + 5
    while living(group) and time.monotonic() < limit:
        time.sleep(0.05)
    assert living(group) == []


def living(group: int) -> list[str]:
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats.append(path.read_text())
        except OSError:
            continue  # ended meanwhile
    fields = ((stat, stat.rpartition(")")[2].split()) for stat in stats)
    return [stat for stat, (state, _, process_group, *_) in fields if state != "Z" and process_group == str(group)]
