"""Which images a deployment runs, and of which release of Dynamo they are."""

from dgdr_api.images import image_repository, image_tag
from dgdr_api.names import ANNOTATION_KEEP_IMAGE
from dgdr_controller.deployment.render.releases import NEWEST, OLDEST, Release, release_of, version_of
from dgdr_controller.deployment.render.request import GraphRequest
from dgdr_controller.settings import Settings


def image(name: str, request: GraphRequest, settings: Settings) -> str:
    """Return the image of this name beside the request's own, or from the settings.

    A digest belongs to one image and cannot be shared: the tag is used, or the runtime version where there is none.
    """
    requested = request.spec.image
    if requested is None or _is_replaced(requested, request):
        return f"{settings.dynamo.registry}/{name}:{settings.dynamo.version}"
    repository = image_repository(requested)
    tag = image_tag(requested) or request.spec.runtime_version_override
    return f"{repository}/{name}:{tag}" if repository else f"{name}:{tag}"


def release(request: GraphRequest, settings: Settings, *, engines: bool = True) -> Release:
    """Return the release whose language the programs of a deployment speak.

    Args:
        request: The request.
        settings: The installation's.
        engines: Whether engines and frontend are meant, which may have an image of their own, or the other programs.
    """
    version = _version(request, engines=engines)
    return release_of(version or version_of(settings.dynamo.version) or NEWEST.version)


def workers_image(request: GraphRequest) -> str | None:
    """Return the image that engines and frontend run instead of that beside the request's own; None: they do not."""
    wanted = request.preserved.deployment_overrides.workers_image
    return None if wanted is None or _is_replaced(wanted, request) else wanted


def _version(request: GraphRequest, *, engines: bool) -> tuple[int, int] | None:
    """Return the version that the request names; None: none, or one that is replaced."""
    named = (workers_image(request) if engines else None) or request.spec.image
    return None if named is None or _is_replaced(named, request) else _version_of(named, request)


def _version_of(named: str, request: GraphRequest) -> tuple[int, int] | None:
    return version_of(request.spec.runtime_version_override) or version_of(image_tag(named))


def _is_replaced(named: str, request: GraphRequest) -> bool:
    """Say whether an image is of a release whose programs take other flags, and nobody insists on it."""
    version = _version_of(named, request)
    return version is not None and version < OLDEST.version and not request.keeps_image


def runtime_version(request: GraphRequest) -> str | None:
    """Return what the operator is told of the images' version; None where they are not those that it is said of."""
    requested = request.spec.image
    replaced = requested is not None and _is_replaced(requested, request)
    return None if replaced else request.spec.runtime_version_override


def version_note(request: GraphRequest, settings: Settings) -> str | None:
    """Say what the user should know of the images' release; None where it is one whose flags were checked."""
    requested, override = request.spec.image, request.spec.runtime_version_override
    installed = settings.dynamo.version
    if requested is None and override not in (None, installed):
        return (
            f"spec.runtimeVersionOverride is {override}, but without spec.image the images are "
            f"{installed}: name an image of that version"
        )
    own = request.preserved.deployment_overrides.workers_image
    for path, named in (("spec.deploymentOverrides.workersImage", own), ("spec.image", requested)):
        if named is not None and _is_replaced(named, request):
            named_as = f"{named} with spec.runtimeVersionOverride {override}" if override else named
            return (
                f"{path} {named_as} is of a Dynamo before {OLDEST}, whose programs take other flags; "
                f"{image('…', request, settings)} run instead. If it is a build of your own, say of which Dynamo in "
                f"spec.runtimeVersionOverride; to keep it as it is, set annotation {ANNOTATION_KEEP_IMAGE} to true"
            )
    named = own or requested
    version = _version(request, engines=True)
    if named is not None and version is None:
        return f"{named} does not say which Dynamo it is; the flags are those of {installed}"
    found = version or version_of(installed) or NEWEST.version
    if OLDEST.version <= found <= NEWEST.version:
        return None
    shown, checked = ".".join(map(str, found)), release_of(found)
    return f"The images are Dynamo {shown}; their flags are those of {checked}, and were not checked"
