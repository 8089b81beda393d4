"""Serving certificates of the webhook server, and the API server's trust in them.

```python
certificates = ServingCertificates(
    SelfManaged(
        config,
        secret=Key("dgdr-system", "dgdr-webhook-server-cert"),
        targets=Targets(service=Key("dgdr-system", "dgdr-webhook"), mutating="dgdr", validating="dgdr"),
    )
)
manager.add_server(certificates)  # starts before the webhook server, which stops before it
manager.add_server(WebhookServer(":9443", certificates.context))
```
With cert-manager: ``ServingCertificates(Files(Path("/certificates")))``.

Layers: `credential` (PEM) → `issuing` (X.509) → `rotation` (what is due when, pure) → `secret` and `injection` (the API
server) → `managed` and `files` (where certificates come from) → `serving` (the TLS context).
"""

from dgdr_controller.admission.certificates.errors import CertificateError, SecretError, UnreadableError
from dgdr_controller.admission.certificates.files import Files
from dgdr_controller.admission.certificates.injection import Targets
from dgdr_controller.admission.certificates.lifetimes import Lifetimes
from dgdr_controller.admission.certificates.managed import SelfManaged
from dgdr_controller.admission.certificates.serving import ServingCertificates, Source

__all__ = [
    "CertificateError",
    "Files",
    "Lifetimes",
    "SecretError",
    "SelfManaged",
    "ServingCertificates",
    "Source",
    "Targets",
    "UnreadableError",
]
