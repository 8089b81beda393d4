"""What can go wrong with serving certificates, as one tree.

```
CertificateError
├── UnreadableError   bytes that are no certificate, or a key that is another one's
└── SecretError       the Secret is missing, or may not be read or written
```
What the API server answers otherwise is raised as `dgdr_controller.runtime.errors` has it.
"""


class CertificateError(Exception):
    """Base of all errors of this package; raised itself for a certificate that TLS does not take."""


class UnreadableError(CertificateError):
    """Bytes that are no certificate or no key, or that do not belong together."""


class SecretError(CertificateError):
    """The Secret is missing, or may not be read or written; the message says what to do."""
