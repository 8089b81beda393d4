"""What a request must say of its hardware where nobody looks for it."""

from collections.abc import Iterator

from dgdr_api.errors import FieldError
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest, Hardware
from dgdr_controller.settings import HardwareSettings

_WHY = "GPU hardware configuration is required when GPU discovery is disabled"  # upstream's words
_REQUIRED = {"gpuSku": "gpu_sku", "totalGpus": "total_gpus"}
"""What no table fills in."""


def undescribed(request: DynamoGraphDeploymentRequest, settings: HardwareSettings) -> Iterator[FieldError]:
    """Yield what a request does not say of its hardware although discovery is switched off."""
    hardware = request.spec.hardware or Hardware()
    if not settings.discovery:
        for field, name in _REQUIRED.items():
            if getattr(hardware, name) is None:
                yield FieldError(f"spec.hardware.{field}", "Required value", _WHY)
