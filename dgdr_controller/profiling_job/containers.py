"""What the pods of all our Jobs have in common."""

from collections.abc import Mapping

from dgdr_api.defaults import Cache
from dgdr_controller.manifest import Manifest

TEMPORARY: Mapping[str, str] = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - in a container of its own
_CACHE_VOLUME = "model-cache"


def of_pod() -> Manifest:
    """Return the security context of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def locked_down() -> Manifest:
    """Return the security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def hub_token(secret: str) -> list[Manifest]:
    """Return the token for gated models: pods start without it, unlike upstream's."""
    source = {"secretKeyRef": {"name": secret, "key": "HF_TOKEN", "optional": True}}
    return [{"name": name, "valueFrom": source} for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")]


def cache_volume(cache: Cache) -> Manifest:
    """Return the volume of a request's model cache."""
    return {"name": _CACHE_VOLUME, "persistentVolumeClaim": {"claimName": cache.pvc_name, "readOnly": True}}


def cache_mount(cache: Cache) -> Manifest:
    """Return where that is mounted."""
    return {"name": _CACHE_VOLUME, "mountPath": cache.mount_path, "readOnly": True}
