"""The pods of a graph as processes of this machine, and what differs from a cluster.

Command lines stay as they are rendered. What is changed, all of it, and why:

* ``python3`` is the interpreter of the environment that stands for the image.
* Each component has one replica: a second one of an engine would only wait for the two cores of a small machine.
* Volumes are not mounted: a request whose model cache is mounted where the folder really is needs none.
* What Dynamo's operator, the kubelet and the image put into a pod's environment comes from here, and so does what vLLM
  has to know of a CPU.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dgdr_controller.manifest import Manifest
from hack.dynamo.manifests import ENVIRONMENT, HEALTH_PORT, HOSTS, HOSTS_OF_SERVERS, HTTP_PORT

_ON_A_CPU = {
    # GiB of the KV cache, which on a GPU is what the weights leave.
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # vLLM's own switch for its tests on CPUs: the model is not compiled first, which takes minutes.
    "VLLM_CPU_CI_ENV": "1",
    # Ranks would divide the cores among themselves, one less than there are.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "VLLM_NO_USAGE_STATS": "1",
}


@dataclass(frozen=True, slots=True)
class Pod:
    """A container that runs as a process.

    Attributes:
        name: Name of its component.
        command: Its whole command line.
        environment: All of its environment.
        address: The pod's own.
        port: Where its health is asked.
        serves: Whether clients ask it.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    address: str
    port: int
    serves: bool


def pods(graph: Manifest, python: Path, scratch: Path) -> list[Pod]:
    """Return a pod for each component.

    Args:
        graph: The deployment, as it is rendered.
        python: The interpreter.
        scratch: A folder that the pods share.
    """
    components = graph["spec"]["components"]
    return [_pod(graph, component, python, scratch, f"10.0.0.{n}") for n, component in enumerate(components, start=1)]


def _pod(graph: Manifest, component: Manifest, python: Path, scratch: Path, address: str) -> Pod:
    container = component["podTemplate"]["spec"]["containers"][0]
    words: list[str] = [*container["command"], *container["args"]]
    if words[0] != "python3":
        raise ValueError(f"component {component['name']} runs {words[0]}, and not Python")
    own = {variable["name"]: variable["value"] for variable in container.get("env", ())}
    serves = component["type"] == "frontend"
    return Pod(
        name=component["name"],
        command=(str(python), *words[1:]),
        environment=own | dict(_surroundings(graph, scratch, address)) | ({} if serves else _ON_A_CPU),
        address=address,
        port=HTTP_PORT if serves else HEALTH_PORT,
        serves=serves,
    )


def _surroundings(graph: Manifest, scratch: Path, address: str) -> Iterator[tuple[str, str]]:
    """Yield what a pod's environment has from others than its container."""
    yield from ENVIRONMENT.items()
    yield from ((name, address) for name in (*HOSTS, *HOSTS_OF_SERVERS))
    # In a cluster both ask for the address of the pod's own host name.
    yield from ((name, address) for name in ("VLLM_HOST_IP", "VLLM_NIXL_SIDE_CHANNEL_HOST"))
    yield "DYN_NAMESPACE", f"default-{graph['metadata']['name']}"
    yield "DYN_FILE_KV", str(scratch / "discovery")
    yield from ((name, str(scratch)) for name in ("HOME", "TMPDIR"))
    yield "PATH", "/usr/local/bin:/usr/bin:/bin"
    yield from dict.fromkeys(("PYTHONUNBUFFERED", "PYTHONSAFEPATH"), "1").items()
