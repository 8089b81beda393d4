"""The deployment of a request that is in the cluster, for a candidate of its results. Pure.

The controller composes with it what it writes, and the kubectl plugin what it exports: both come to the same objects.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath

from dgdr_api.candidate import Candidate
from dgdr_api.defaults import effective
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.hardware import HardwareUsed
from dgdr_api.options import keeps_image
from dgdr_api.preserved import Preserved, preserved
from dgdr_api.results import Results
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.deployment.base.base_deployment import read_base
from dgdr_controller.deployment.compose import Composed, compose_first
from dgdr_controller.deployment.render import GraphRequest
from dgdr_controller.manifest import Manifest
from dgdr_controller.settings import Settings


def compose_for_request(
    request: DynamoGraphDeploymentRequest,
    base: str | None,
    candidates: Iterable[Candidate],
    results: Results,
    settings: Settings,
) -> tuple[Candidate, Composed]:
    """Compose the deployment of the first candidate that can be, v1beta1.

    Args:
        request: The request, as it is in the cluster.
        base: Text of the user's own deployment that the plan is put into; None: there is none, or it is missing.
        candidates: The best one first; at least one.
        results: The published results that they are of.
        settings: The installation's.

    Raises:
        InvalidRequestError: The results are of another model, or what the user wants cannot be laid over it.
    """
    kept = preserved(request.metadata.annotations)
    wanted = replace(
        graph_request(request, results.hardware, kept),
        model=profiled_model(request, results.model),
        curves=results.curves,
        base=base_of(base, kept),
        facts=results.model_facts,
    )
    return compose_first(candidates, wanted, settings)


def graph_request(request: DynamoGraphDeploymentRequest, hardware: HardwareUsed, kept: Preserved) -> GraphRequest:
    """Return what a request itself says of its deployment."""
    metadata, spec = request.metadata, request.spec
    return GraphRequest(
        name=metadata.name,
        namespace=metadata.namespace,
        uid=metadata.uid,
        spec=spec,
        model=spec.model,
        hardware=hardware,
        preserved=kept,
        keeps_image=keeps_image(metadata.annotations),
    )


def profiled_model(request: DynamoGraphDeploymentRequest, model: str) -> str:
    """Return the model that was profiled, as engines load it: the request's, or a folder of its model cache.

    Whoever may write the output's ConfigMap has no other one deployed, and no code of another one run.

    Raises:
        InvalidRequestError: It is another one.
    """
    asked, cache = request.spec.model, effective(request).model_cache
    in_cache = cache is not None and PurePosixPath(model).is_relative_to(cache.mount_path) and ".." not in model
    if in_cache or model.lower() == asked.lower():
        return model
    raise InvalidRequestError([FieldError("spec.model", f'"{asked}"', f'was not profiled: the result is of "{model}"')])


def base_of(text: str | None, kept: Preserved) -> Manifest | None:
    """Return the user's own deployment, which the plan is put into; None where there is none.

    Raises:
        InvalidRequestError: It does not exist any more, or is none.
    """
    if kept.base is not None and text is None:
        detail = "does not exist any more; it holds the deployment that the plan is merged into"
        raise InvalidRequestError([FieldError("spec.profilingConfig.configMapRef", f'"{kept.base.name}"', detail)])
    return read_base(text) if text is not None else None
