"""The webhooks of a manager: the server, and where its certificate comes from."""

from pathlib import Path

from dgdr_controller.admission.certificates import Files, SelfManaged, ServingCertificates, Targets
from dgdr_controller.admission.server import WebhookServer
from dgdr_controller.runtime import Key, Manager
from dgdr_controller.settings import HardwareSettings, WebhookSettings

_SELF_MANAGED = "self-managed"


def serve_webhooks(
    manager: Manager, settings: WebhookSettings, hardware: HardwareSettings, namespace: str
) -> WebhookServer:
    """Add the server that the API server asks to a manager."""
    if settings.certificates == _SELF_MANAGED:
        targets = Targets(Key(namespace, settings.service), settings.mutating, settings.validating)
        certificates = ServingCertificates(
            SelfManaged(manager.config, secret=Key(namespace, settings.secret), targets=targets)
        )
    else:
        certificates = ServingCertificates(Files(Path(settings.certificates)))
    server = WebhookServer(settings.address, certificates.context, hardware)
    manager.add_server(certificates)
    manager.add_server(server)
    manager.add_check("webhooks", server.check)
    return server
