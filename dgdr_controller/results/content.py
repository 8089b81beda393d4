"""What the page shows: the results, the deployment of every candidate, the defaults that a what-if falls back on."""

import base64
import contextlib
import gzip
import json

from dgdr_api.defaults import ASSUMED
from dgdr_api.errors import InvalidRequestError
from dgdr_api.hardware import ValueSource
from dgdr_api.names import GROUP, KIND
from dgdr_api.options import keeps_image
from dgdr_api.preserved import as_far_as_known
from dgdr_api.results import Results
from dgdr_controller.deployment.compose import compose
from dgdr_controller.deployment.render import GraphRequest
from dgdr_controller.manifest import Manifest, dump_documents
from dgdr_controller.settings import Settings


def content(results: Results, settings: Settings, base: Manifest | None = None, uid: str | None = None) -> str:
    """Return the page's content as JSON. The same inputs give the same text.

    Args:
        results: The results.
        settings: What deployments are rendered with.
        base: The user's own deployment, which plans are put into.
        uid: UID of the request in the cluster, by which its controller recognises what is applied by hand.
    """
    assumed = ASSUMED[as_far_as_known(results.request.annotations).defaults]
    parts = {
        "results": results.model_dump(mode="json", exclude_none=True),
        "defaults": {"ttft": assumed.ttft, "itl": assumed.itl},
        "request": _request(results),
        "manifests": _packed(manifests(results, settings, base, uid)),
    }
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def manifests(
    results: Results, settings: Settings, base: Manifest | None = None, uid: str | None = None
) -> dict[str, str]:
    """Render the deployment of every candidate that can be deployed; return its YAML by the candidate's id."""
    request = graph_request(results, base, uid)
    offered = (candidate for candidate in results.candidates if candidate.is_offered)
    texts = {}
    for candidate in offered:
        with contextlib.suppress(InvalidRequestError):  # the request's overrides are not for this one
            texts[candidate.id] = dump_documents(compose(candidate, request, settings).documents)
    return texts


def graph_request(results: Results, base: Manifest | None = None, uid: str | None = None) -> GraphRequest:
    """Return what the deployments of a plan are rendered for; outside of a cluster nobody (no UID) owns them."""
    asked = results.request
    return GraphRequest(
        name=asked.name,
        namespace=asked.namespace,
        uid=uid,
        spec=asked.spec,
        model=results.model,
        hardware=results.hardware,
        curves=results.curves,
        preserved=as_far_as_known(asked.annotations),
        base=base,
        facts=results.model_facts,
        keeps_image=keeps_image(asked.annotations),
    )


def _packed(texts: dict[str, str]) -> str:
    """Pack texts that are nearly the same: 1.6 MB of deployments become some 40 KB."""
    return base64.b64encode(gzip.compress(json.dumps(texts).encode(), mtime=0)).decode()


def _request(results: Results) -> dict[str, object]:
    """Return the request to change for another workload, with the hardware that was given beside it."""
    spec = results.request.spec.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    used = results.hardware
    values: dict[str, object] = {}
    if used.gpu_sku_source is ValueSource.COMMAND_LINE:
        values["gpuSku"] = used.gpu_sku
    for name, value in (("totalGpus", used.total_gpus), ("numGpusPerNode", used.num_gpus_per_node)):
        if value.source is ValueSource.COMMAND_LINE:
            values[name] = value.value
    if values:
        spec["hardware"] = {**(spec.get("hardware") or {}), **values}
    named: dict[str, object] = {"name": results.request.name}
    named |= {"namespace": results.request.namespace} if results.request.namespace else {}
    named |= {"annotations": results.request.annotations} if results.request.annotations else {}
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": KIND,
        "metadata": named,
        "spec": spec,
    }
