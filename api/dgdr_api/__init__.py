"""The typed API of DynamoGraphDeploymentRequests; needs pydantic alone.

>>> from dgdr_api import effective, parse_request, validate
>>> manifest = {
...     "apiVersion": "nvidia.com/v1beta1",
...     "kind": "DynamoGraphDeploymentRequest",
...     "metadata": {"name": "qwen"},
...     "spec": {"model": "Qwen/Qwen3-32B"},
... }
>>> request = parse_request(manifest)
>>> validate(request)
[]
>>> effective(request).isl
Value(value=4000, explicit=False)
"""

from dgdr_api.defaults import effective
from dgdr_api.errors import FieldError, InvalidRequestError
from dgdr_api.parse import parse_request
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest
from dgdr_api.validation import validate

__all__ = [
    "DynamoGraphDeploymentRequest",
    "FieldError",
    "InvalidRequestError",
    "effective",
    "parse_request",
    "validate",
]
