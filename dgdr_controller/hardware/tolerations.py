"""What a request's pods tolerate: a node whose taints they tolerate is a node for them."""

from collections.abc import Iterator
from typing import Any

import msgspec

from dgdr_api.v1beta1 import DgdrSpec
from dgdr_controller.kinds import Toleration
from dgdr_controller.manifest import inside


def tolerations_of(spec: DgdrSpec) -> tuple[Toleration, ...]:
    """Return the tolerations of the profiling Job and of the deployment's components, as the overrides have them.

    A deployment gets those of its Job, too. What is no toleration is left out: validation reports it.
    """
    overrides = spec.overrides
    job = (overrides and overrides.profiling_job) or {}
    graph = (overrides and overrides.dgd) or {}
    pods = [inside(job, "template", "spec"), *_of_components(graph)]
    return tuple(found for pod in pods for found in _read(pod.get("tolerations")))


def _of_components(graph: Any) -> Iterator[dict[str, Any]]:
    spec = inside(graph, "spec")
    components, services = spec.get("components"), spec.get("services")  # what v1alpha1 calls them
    for component in components if isinstance(components, list) else ():
        yield inside(component, "podTemplate", "spec")
    for service in services.values() if isinstance(services, dict) else ():
        yield inside(service, "extraPodSpec")


def _read(value: Any) -> Iterator[Toleration]:
    for toleration in value if isinstance(value, list) else ():
        try:
            yield msgspec.convert(toleration, Toleration)
        except msgspec.ValidationError:
            continue
