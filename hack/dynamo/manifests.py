"""The objects of a graph on a local cluster: pods of one image that find each other through a folder of the node.

All of it goes with the graph, but for that folder: it is under /run, which goes with the node.
"""

import base64
from pathlib import PurePosixPath

from dgdr_api.names import LABEL_GRAPH
from dgdr_controller.manifest import Manifest
from hack.cluster.node import PAUSE_IMAGE
from hack.dynamo import model
from hack.dynamo.command import Frontend, Worker, understood
from hack.dynamo.kinds import GRAPHS
from hack.dynamo.timing import Timing
from hack.images.names import MOVING_TAG, Target, image

COMPONENT_LABEL = "nvidia.com/dynamo-component"
_IMAGE = image(Target.DYNAMO, MOVING_TAG)
_MODEL = "/opt/simulation"
_DISCOVERY = "/run/dgdr-dynamo"
HTTP_PORT = 8000
HEALTH_PORT = 9090
ENVIRONMENT = {
    # No etcd, no NATS: instances are files, and processes talk to each other directly.
    "DYN_DISCOVERY_BACKEND": "file",
    "DYN_FILE_KV": _DISCOVERY,
    "DYN_REQUEST_PLANE": "tcp",
    "DYN_EVENT_PLANE": "zmq",
    "DYN_HTTP_PORT": str(HTTP_PORT),
    # As Dynamo's operator has it: a worker is ready when its endpoint is.
    "DYN_SYSTEM_PORT": str(HEALTH_PORT),
    "DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS": '["generate"]',
    "HF_HUB_OFFLINE": "1",
}
HOSTS = ("DYN_TCP_RPC_HOST",)
"""Where requests of other components arrive: at the pod's address."""
HOSTS_OF_SERVERS = ("DYN_HTTP_HOST", "DYN_SYSTEM_HOST", "DYN_TCP_RESPONSE_STREAM_HOST", "DYN_EVENT_PLANE_HOST")
"""Where servers listen that otherwise take a port of all addresses, which only one pod of a virtual node could."""


def name_of(graph: Manifest, component: Manifest) -> str:
    """Return the name of a component's Deployment and Service."""
    return f"{graph['metadata']['name']}-{component['name'].lower()}"


def simulation(graph: Manifest, timings: dict[int, Timing]) -> Manifest:
    """Return the ConfigMap with the model and the times of each simulated engine.

    Args:
        graph: The graph.
        timings: Times by the GPUs of one copy of the model, where they are not the usual ones.
    """
    workers = {component["name"]: _program(component) for component in graph["spec"]["components"]}
    surfaces = {
        f"{name}.npz": timings.get(worker.gpus, Timing.of(worker.gpus)).surface()
        for name, worker in workers.items()
        if isinstance(worker, Worker)
    }
    return {
        "metadata": _metadata(graph, _simulation_of(graph)),
        "data": model.files(),
        "binaryData": {name: base64.b64encode(surface).decode() for name, surface in surfaces.items()},
    }


def service(graph: Manifest, component: Manifest) -> Manifest:
    """Return the Service of a frontend."""
    return {
        "metadata": _metadata(graph, name_of(graph, component)),
        "spec": {"selector": _labels(graph, component), "ports": [{"name": "http", "port": HTTP_PORT}]},
    }


def deployment(graph: Manifest, component: Manifest, *, virtual: bool = False) -> Manifest:
    """Return the Deployment of a component: its replicas and GPUs, and what it runs here.

    Args:
        graph: The graph.
        component: One of its components.
        virtual: Whether its pods run on a virtual node, where all share the network of this machine.
    """
    labels = _labels(graph, component)
    template = component["podTemplate"]
    folder = f"{_DISCOVERY}/{graph['metadata']['uid']}"
    volumes = [
        {"name": "simulation", "configMap": {"name": _simulation_of(graph)}},
        {"name": "discovery", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}},
    ]
    return {
        "metadata": _metadata(graph, name_of(graph, component)) | {"labels": labels},
        "spec": {
            "replicas": component["replicas"],
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": template.get("metadata", {}).get("labels", {}) | labels},
                "spec": {
                    "containers": [_container(graph, component, virtual=virtual)],
                    "volumes": [*template["spec"].get("volumes", []), *volumes],
                    "securityContext": {"runAsUser": 0},  # the kubelet makes the folder, for root alone
                    "terminationGracePeriodSeconds": 1,
                },
            },
        },
    }


def _container(graph: Manifest, component: Manifest, *, virtual: bool) -> Manifest:
    template = component["podTemplate"]["spec"]["containers"][0]
    limits = template.get("resources", {}).get("limits", {})
    container = {"name": "main", "imagePullPolicy": "Never", "resources": {"limits": limits}}
    container |= {name: template[name] for name in ("terminationMessagePolicy",) if name in template}
    program = _program(component)
    if program is None:  # it holds its GPUs and does nothing
        return container | {"image": PAUSE_IMAGE}
    mounts = [*template.get("volumeMounts", []), *({"name": n, "mountPath": p} for n, p in _MOUNTS.items())]
    return (
        container
        | {"image": _IMAGE, "env": _environment(graph, template, virtual=virtual), "volumeMounts": mounts}
        | (_frontend(program, graph) if isinstance(program, Frontend) else _worker(program, component, template))
    )


_MOUNTS = {"simulation": _MODEL, "discovery": _DISCOVERY}


def _program(component: Manifest) -> Frontend | Worker | None:
    container = component["podTemplate"]["spec"]["containers"][0]
    command = [*container.get("command", ()), *container.get("args", ())]
    # A frontend needs no command line: that is the default of Dynamo's operator.
    return understood(command) if command or component.get("type") != "frontend" else Frontend(())


def _frontend(frontend: Frontend, graph: Manifest) -> Manifest:
    """Run a frontend; it is ready while it lists the model, which takes a worker of every role.

    One failed probe is enough: a graph whose workers are replaced is without its model for two seconds.
    """
    programs = [_program(component) for component in graph["spec"]["components"]]
    served = [f"v1/models/{program.served_name}" for program in programs if isinstance(program, Worker)]
    return {
        "command": ["python3", "-m", "dynamo.frontend"],
        "args": list(frontend.arguments),
        "ports": [{"containerPort": HTTP_PORT}],
        "readinessProbe": _probe(f"/{served[0] if served else 'health'}", HTTP_PORT) | {"failureThreshold": 1},
    }


def _worker(worker: Worker, component: Manifest, template: Manifest) -> Manifest:
    """Run the mocker. A model that is not in a volume would come from the hub: the one made here stands for it."""
    mounts = [mount["mountPath"] for mount in template.get("volumeMounts", [])]
    is_there = any(PurePosixPath(worker.model).is_relative_to(mount) for mount in mounts)
    model_arguments = ("--model-path", worker.model if is_there else _MODEL, "--model-name", worker.served_name)
    times = ("--planner-profile-data", f"{_MODEL}/{component['name']}.npz")
    return {
        "command": ["python3", "-m", "dynamo.mocker"],
        "args": [*model_arguments, *worker.arguments, *times],
        "readinessProbe": _probe("/health", HEALTH_PORT),
    }


def _probe(path: str, port: int) -> Manifest:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, "timeoutSeconds": 5}


def _environment(graph: Manifest, template: Manifest, *, virtual: bool) -> list[Manifest]:
    """Return a container's environment: the graph's, its own, and what must be so here."""
    metadata = graph["metadata"]
    hosts = (*HOSTS, *(HOSTS_OF_SERVERS if virtual else ()))
    ours = ENVIRONMENT | {"DYN_NAMESPACE": f"{metadata['namespace']}-{metadata['name']}"}
    variables = [
        *graph["spec"].get("env", []),
        *template.get("env", []),
        *({"name": name, "value": value} for name, value in ours.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} for name in hosts),
    ]
    return list({variable["name"]: variable for variable in variables}.values())


def _labels(graph: Manifest, component: Manifest) -> dict[str, str]:
    return {LABEL_GRAPH: graph["metadata"]["name"], COMPONENT_LABEL: component["name"]}


def _simulation_of(graph: Manifest) -> str:
    return f"{graph['metadata']['name']}-simulation"


def _metadata(graph: Manifest, name: str) -> Manifest:
    metadata = graph["metadata"]
    owner = {"apiVersion": GRAPHS.api_version, "kind": GRAPHS.kind, "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "name": name,
        "namespace": metadata["namespace"],
        "ownerReferences": [owner | {"controller": True}],
    }
