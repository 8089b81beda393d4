"""Which images a deployment runs, and of which release of Dynamo they are."""

import re
from dataclasses import dataclass

from dgdr_api.defaults import effective
from dgdr_api.images import image_name, image_repository, image_tag
from dgdr_api.names import ANNOTATION_KEEP_IMAGE
from dgdr_api.options import keeps_image
from dgdr_api.preserved import as_far_as_known
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_controller.deployment.render.releases import NEWEST, OLDEST, Release, release_of, version_of
from dgdr_controller.deployment.render.request import GraphRequest
from dgdr_controller.settings import Settings

_VARIANT = re.compile(r"(?<=\d)-(?:cuda\d+|efa)(?:-(?:amd64|arm64))?$")
"""How Dynamo's tags name a variant of one image, which the others of the release do not have."""


@dataclass(frozen=True, slots=True)
class RequestedImages:
    """What a request says about the images of its deployment.

    Attributes:
        image: ``spec.image``.
        workers: Image of engines and frontend (``spec.deploymentOverrides.workersImage``).
        runtime_version: ``spec.runtimeVersionOverride``.
        kept: Whether an image stays although its release is not supported.
    """

    image: str | None
    workers: str | None
    runtime_version: str | None
    kept: bool

    @classmethod
    def of(cls, request: GraphRequest) -> "RequestedImages":
        """Read them off what a deployment is rendered for."""
        workers = request.preserved.deployment_overrides.workers_image
        return cls(request.spec.image, workers, request.spec.runtime_version_override, request.keeps_image)

    def replaces(self, named: str) -> bool:
        """Say whether an image is of a release whose programs take other flags, and nobody insists on it."""
        version = self._version(named)
        return version is not None and version < OLDEST.version and not self.kept

    def version(self, *, engines: bool) -> tuple[int, int] | None:
        """Return the version that is named for the engines or for the other programs; None: none that is used."""
        used = [
            named for named in (self.workers if engines else None, self.image) if named and not self.replaces(named)
        ]
        return next((version for named in used if (version := self._version(named))), None)

    def release(self, installed: str, *, engines: bool) -> Release:
        """Return the release whose language programs speak, where ``installed`` is the installation's version."""
        return release_of(self.version(engines=engines) or version_of(installed) or NEWEST.version)

    def _version(self, named: str) -> tuple[int, int] | None:
        return version_of(self.runtime_version) or version_of(image_tag(named))


def engines_release(request: DynamoGraphDeploymentRequest, settings: Settings) -> Release:
    """Return the release whose engines a request is searched for; where they are simulated, the newest."""
    if effective(request).mocker:
        return NEWEST
    spec, annotations = request.spec, request.metadata.annotations
    workers = as_far_as_known(annotations).deployment_overrides.workers_image
    images = RequestedImages(spec.image, workers, spec.runtime_version_override, keeps_image(annotations))
    return images.release(settings.dynamo.version, engines=True)


def image(name: str, request: GraphRequest, settings: Settings) -> str:
    """Return the image of this name beside the request's own, or from the settings.

    A digest belongs to one image and cannot be shared: the tag is used, or the runtime version where there is none.
    """
    requested = request.spec.image
    if requested is None or RequestedImages.of(request).replaces(requested):
        return f"{settings.dynamo.registry}/{name}:{settings.dynamo.version}"
    repository, own = image_repository(requested), image_name(requested)
    tag = image_tag(requested) or request.spec.runtime_version_override or ""
    if name != own:
        tag = _VARIANT.sub("", tag)
    return f"{repository}/{name}:{tag}" if repository else f"{name}:{tag}"


def planner_image(engine: str, request: GraphRequest, settings: Settings) -> str:
    """Return the image of Dynamo's planner and mocker, given the name of the engine's."""
    return image(release(request, settings, engines=False).planner_image or engine, request, settings)


def release(request: GraphRequest, settings: Settings, *, engines: bool = True) -> Release:
    """Return the release whose language the programs of a deployment speak.

    Args:
        request: The request.
        settings: The installation's.
        engines: Whether engines and frontend are meant, which may have an image of their own, or the other programs.
    """
    return RequestedImages.of(request).release(settings.dynamo.version, engines=engines)


def workers_image(request: GraphRequest) -> str | None:
    """Return the image that engines and frontend run instead of that beside the request's own; None: they do not."""
    images = RequestedImages.of(request)
    return None if images.workers is None or images.replaces(images.workers) else images.workers


def runtime_version(request: GraphRequest) -> str | None:
    """Return what the operator is told of the images' version; None where they are not those that it is said of."""
    images = RequestedImages.of(request)
    replaced = images.image is not None and images.replaces(images.image)
    return None if replaced else images.runtime_version


def version_note(request: GraphRequest, settings: Settings) -> str | None:
    """Say what the user should know of the images' release; None where it is one whose flags were checked."""
    images, installed = RequestedImages.of(request), settings.dynamo.version
    requested, override, own = images.image, images.runtime_version, images.workers
    if requested is None and override not in (None, installed):
        return (
            f"spec.runtimeVersionOverride is {override}, but without spec.image the images are "
            f"{installed}: name an image of that version"
        )
    for path, named in (("spec.deploymentOverrides.workersImage", own), ("spec.image", requested)):
        if named is not None and images.replaces(named):
            named_as = f"{named} with spec.runtimeVersionOverride {override}" if override else named
            return (
                f"{path} {named_as} is of a Dynamo before {OLDEST}, whose programs take other flags; the images of "
                f"Dynamo {installed} run instead. If it is a build of a later Dynamo, set spec.runtimeVersionOverride "
                f"to that version; to keep the image, set annotation {ANNOTATION_KEEP_IMAGE} to true"
            )
    version = images.version(engines=True)
    for named in filter(None, (own, requested)):
        tagged = version_of(image_tag(named))
        if override is not None and tagged is not None and tagged >= OLDEST.version and tagged != version:
            return (
                f"The tag of {named} is another release of Dynamo than spec.runtimeVersionOverride, {override}, whose "
                "flags are written: correct one of them"
            )
    if (named := own or requested) is not None and version_of(override) is version_of(image_tag(named)) is None:
        known = release_of(version) if version else installed
        return f"{named} does not say which Dynamo it is; the flags are those of {known}"
    found = version or version_of(installed) or NEWEST.version
    if OLDEST.version <= found <= NEWEST.version:
        return None
    shown, checked = ".".join(map(str, found)), release_of(found)
    return f"The images are Dynamo {shown}; their flags are those of {checked}, and were not checked"
