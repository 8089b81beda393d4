"""``make demo``: from nothing to a deployment, on a cluster of this machine, shown as it happens.

Everything that is there already is used again; Ctrl-C and another run work.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from hack.cluster import images as images_of_a_node
from hack.cluster.api import Client, without_proxies
from hack.cluster.binaries import kubectl as kubectl_program
from hack.cluster.fakes.gpus import FakeGpus, offer_gpus
from hack.cluster.layout import CHECKOUT
from hack.cluster.local import Local
from hack.cluster.model import Cluster, Level
from hack.cluster.progress import ClusterError, say, step
from hack.cluster.resolve import resolve
from hack.cluster.supervisor import Component
from hack.dynamo.endpoint import Endpoint
from hack.images.load import load
from hack.images.names import Target

SAMPLE = CHECKOUT / "config" / "samples" / "qwen3-32b.yaml"
_NAME = "qwen3-32b"
_REQUEST = f"/apis/nvidia.com/v1beta1/namespaces/default/dynamographdeploymentrequests/{_NAME}"
_GRAPH = f"/apis/nvidia.com/v1beta1/namespaces/default/dynamographdeployments/{_NAME}-dgd"
_GPUS = FakeGpus(8, "NVIDIA-H200", 143_771)
_END_S = 600.0
_ENDS = {"Deployed", "Failed"}


def demo() -> None:
    """Set everything up, apply the sample, follow it to its end.

    Raises:
        ClusterError: Something cannot be set up, or the request does not end as it should.
    """
    cluster = resolve()
    cluster.up(Level.NODE)
    images = [load(cluster, target) for target in (Target.CONTROLLER, Target.PROFILER)]
    install(cluster, *images)
    api = Client(cluster.kubeconfig)
    with _dynamo(cluster):
        _apply_anew(cluster, api)
        phase = follow(api)
        show(cluster, api)
        if phase == "Deployed" and cluster.ours:
            talk(api)
        say(f"Look around: export KUBECONFIG={cluster.kubeconfig}\nEnd it: make demo-down")
    if phase != "Deployed":
        raise ClusterError(f"the request ended as {phase}; kubectl describe dgdr {_NAME}")


def _install_graphs(cluster: Cluster) -> None:
    """Apply Dynamo's CRD. kubectl looks first and creates then: of two that install at once, one comes too late."""
    apply = ("apply", "-f", str(CHECKOUT / "hack" / "dynamo" / "crd.yaml"))
    try:
        kubectl(cluster, *apply)
    except ClusterError as error:
        if "AlreadyExists" not in str(error):
            raise
        kubectl(cluster, *apply)


def install_dynamo(cluster: Cluster) -> None:
    """Install Dynamo's CRD and image on a cluster of ours, and where that runs programs for us, the operator."""
    load(cluster, Target.DYNAMO)
    _install_graphs(cluster)
    if isinstance(cluster, Local):
        cluster.add(Component("dynamo", _stand_in(cluster)))


def install(cluster: Cluster, controller: str, profiler: str) -> None:
    """Install CRDs and controller, on a cluster of ours also GPUs that are not there, and a Dynamo that needs none."""
    if cluster.ours and cluster.node:
        offer_gpus(Client(cluster.kubeconfig), cluster.node, _GPUS)
    if cluster.ours:
        install_dynamo(cluster)
    program = kubectl_program()
    with step("Installing the controller"):
        made = subprocess.run(  # noqa: S603 - make, with our arguments
            ["make", "--silent", "deploy", f"IMG={controller}", f"PROFILER_IMG={profiler}", f"KUBECTL={program}"],  # noqa: S607 - any make
            cwd=CHECKOUT,
            env=_environment(cluster),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ClusterError(f"make deploy failed:\n{made.stderr.strip()[-2000:]}")
        kubectl(cluster, "-n", "dgdr-system", "rollout", "status", "deployment/dgdr-controller", "--timeout=120s")


def _stand_in(cluster: Cluster) -> tuple[str, ...]:
    return (sys.executable, "-m", "hack.dynamo", str(cluster.kubeconfig))


@contextlib.contextmanager
def _dynamo(cluster: Cluster) -> Iterator[None]:
    """Stand in for Dynamo's operator while the demo runs, where the cluster does not run programs for us."""
    if not cluster.ours or isinstance(cluster, Local):
        yield
        return
    cluster.load(images_of_a_node.archive())  # the pause image, for components that are neither frontend nor engine
    with subprocess.Popen(_stand_in(cluster), cwd=CHECKOUT, stderr=subprocess.DEVNULL) as program:  # noqa: S603 - ours
        try:
            yield
        finally:
            program.terminate()


def _apply_anew(cluster: Cluster, api: Client) -> None:
    """Apply the sample; that of an earlier demo and its deployment go first."""
    for kind, name, path in (("dgdr", _NAME, _REQUEST), ("dgd", f"{_NAME}-dgd", _GRAPH)):
        if _found(api, path):  # a given cluster may not know DGDs
            kubectl(cluster, "delete", kind, name, "--wait")
    limit = time.monotonic() + 30
    while _found(api, f"/apis/batch/v1/namespaces/default/jobs/profile-{_NAME}") and time.monotonic() < limit:
        time.sleep(0.2)
    say(f"\n$ kubectl apply -f {SAMPLE.relative_to(CHECKOUT)}\n{SAMPLE.read_text()}")
    kubectl(cluster, "apply", "-f", str(SAMPLE))


def follow(api: Client) -> str:
    """Show what the request goes through; return the phase that it ends in."""
    begun, told = time.monotonic(), ""
    while time.monotonic() - begun < _END_S:
        status = (_found(api, _REQUEST) or {}).get("status", {})
        line = _line(status)
        if line != told:
            say(f"{time.monotonic() - begun:6.1f} s  {line}")
            told = line
        if status.get("phase") in _ENDS:
            return str(status["phase"])
        time.sleep(0.3)
    return f"unfinished after {_END_S:.0f} s ({told})"


def _line(status: dict[str, Any]) -> str:
    """Return a phase with what is said about it: the progress, else the youngest condition that is not fulfilled."""
    phase = status.get("phase", "applied")
    waiting = [c for c in status.get("conditions", []) if c["status"] == "False" and c["type"] != "Succeeded"]
    progress = status.get("profilingProgress")
    if phase == "Profiling" and progress:
        return f"{phase:10} {progress['completed']}/{progress['total']}  {progress['message']}"
    return f"{phase:10} {waiting[-1]['message'] if waiting else ''}".rstrip()


def show(cluster: Cluster, api: Client) -> None:
    """Show what there is at the end: as kubectl tells it, the candidates, the deployment."""
    request = _found(api, _REQUEST) or {}
    say(f"\n$ kubectl describe dgdr {_NAME}")
    print(_conditions(kubectl(cluster, "describe", "dgdr", _NAME)))
    print(_candidates(request))
    graph = _found(api, _GRAPH)
    if graph:
        say(f"$ kubectl get dgd {_NAME}-dgd -o jsonpath='{{.spec.components}}'")
        for component in graph["spec"]["components"]:
            container = component["podTemplate"]["spec"]["containers"][0]
            gpus = container.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", "0")
            print(f"{component['replicas']} × {component['name']} ({gpus} GPUs): {' '.join(container['args'])}")
    say("\n$ kubectl get pods")
    print(kubectl(cluster, "get", "pods"))


def talk(api: Client) -> None:
    """Ask the endpoint something, as a client of OpenAI's API does."""
    answer = Endpoint(api, "default", f"{_NAME}-dgd").chat("Qwen/Qwen3-32B", "Why is the sky blue?", 20)
    say(f"$ kubectl port-forward service/{_NAME}-dgd-frontend 8000 &\n$ curl localhost:8000/v1/chat/completions ...")
    print(f"{answer['choices'][0]['message']['content'].strip()} (the engine is simulated: syllables by chance)\n")


def _conditions(described: str) -> str:
    """Leave out of what kubectl describes the configurations, which take hundreds of lines."""
    before, _, rest = described.partition("  Profiling Results:\n")
    return before + rest[rest.find("Events:") :] if "Events:" in rest else before


def _candidates(request: dict[str, Any]) -> str:
    table = Table("", "engine", "mode", "parallelism", "GPUs", "tokens/s/GPU", "TTFT ms", "ITL ms", title="Pareto set")
    for number, each in enumerate(request.get("status", {}).get("profilingResults", {}).get("pareto", [])):
        numbers = [f"{each[key]:g}" for key in ("gpus", "throughputPerGpu", "ttft", "itl")]
        table.add_row("→" if number == 0 else "", each["backend"], each["mode"], each["parallelization"], *numbers)
    console = Console(width=120, file=None, record=True, quiet=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def kubectl(cluster: Cluster, *arguments: str) -> str:
    """Run kubectl on the cluster; return what it says.

    Raises:
        ClusterError: It fails.
    """
    done = subprocess.run(  # noqa: S603 - kubectl, with our arguments
        [kubectl_program(), *arguments],
        env=_environment(cluster),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _environment(cluster: Cluster) -> dict[str, str]:
    """Return what leads programs to the cluster."""
    return (without_proxies() if cluster.ours else dict(os.environ)) | {"KUBECONFIG": str(cluster.kubeconfig)}


def _found(api: Client, path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = api.request("GET", path)
    except OSError:
        return None
    return found


def down() -> None:
    """Take the cluster down that the demo has made; take what it has installed off one that was given."""
    cluster = resolve()
    cluster.down()


def main() -> None:
    """Run, and end with one sentence where something is wrong."""
    try:
        down() if sys.argv[1:] == ["down"] else demo()
    except (ClusterError, OSError) as error:
        say(f"Error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; make demo goes on, make demo-down ends it")
        sys.exit(130)


if __name__ == "__main__":
    main()
