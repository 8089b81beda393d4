"""What the API server asks before it stores a request, and to read it in another version.

The rules are those of `dgdr_api` and `dgdr_controller.deployment`, which the reconciler, ``dgdr plan`` and
``dgdr validate`` apply as well; here they get the API server's envelopes (`review`, `conversion`), and what only it can
see: how a request was before.
"""

from dgdr_controller.admission.server import WebhookServer

__all__ = ["WebhookServer"]
