"""Which images a deployment runs."""

from dgdr_api.images import image_repository, image_tag
from dgdr_controller.deployment.render.request import GraphRequest
from dgdr_controller.settings import VERIFIED_DYNAMO_VERSION, Settings


def image(name: str, request: GraphRequest, settings: Settings) -> str:
    """Return the image of this name beside the request's own, or from the settings.

    A digest belongs to one image and cannot be shared: the tag is used, or the runtime version where there is none.
    """
    requested = request.spec.image
    if requested is None:
        return f"{settings.dynamo.registry}/{name}:{settings.dynamo.version}"
    repository = image_repository(requested)
    tag = image_tag(requested) or request.spec.runtime_version_override
    return f"{repository}/{name}:{tag}" if repository else f"{name}:{tag}"


def version_note(request: GraphRequest, settings: Settings) -> str | None:
    """Say where the images are not of the Dynamo release that the flags are for; None where they are."""
    requested = request.preserved.deployment_overrides.workers_image or request.spec.image
    override = request.spec.runtime_version_override
    tag = (image_tag(requested) if requested else settings.dynamo.version) or ""
    version = override or tag.removeprefix("v")
    if requested is None and override not in (None, tag):
        return (
            f"spec.runtimeVersionOverride is {override}, but without spec.image the images are "
            f"{tag}: name an image of that version"
        )
    if version == VERIFIED_DYNAMO_VERSION:
        return None
    return f"The images are Dynamo {version}; the flags were checked against {VERIFIED_DYNAMO_VERSION}"
