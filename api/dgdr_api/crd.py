"""The CustomResourceDefinition of a DynamoGraphDeploymentRequest."""

from dgdr_api.names import GROUP, KIND
from dgdr_api.schema import Schema, job_spec, structural
from dgdr_api.v1beta1 import DynamoGraphDeploymentRequest

PLURAL = "dynamographdeploymentrequests"
NAME = f"{PLURAL}.{GROUP}"

_SUCCEEDED = '.status.conditions[?(@.type=="Succeeded")]'
_COLUMNS = (
    ("Model", "string", ".spec.model"),
    ("Backend", "string", ".spec.backend"),
    ("Phase", "string", ".status.phase"),
    ("Profiling", "string", ".status.profilingPhase"),
    ("Reason", "string", f"{_SUCCEEDED}.reason"),
    ("Message", "string", f"{_SUCCEEDED}.message"),
    ("DGD", "string", ".status.dgdName"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
"""Upstream's (dynamo-api-facts §1.1): people's scripts read them."""


def manifest() -> Schema:
    """Return the CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["dgdr"],
                "categories": ["dynamo"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1beta1",
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path} for name, kind, path in _COLUMNS
                    ],
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": _v1beta1()},
                }
            ],
        },
    }


def _v1beta1() -> Schema:
    schema = structural(DynamoGraphDeploymentRequest)
    fields = schema["properties"]
    # The API server knows these better, and allows nothing but names and generateName to be said of metadata here.
    fields["apiVersion"] = {"type": "string", "description": fields["apiVersion"]["description"]}
    fields["kind"] = {"type": "string", "description": fields["kind"]["description"]}
    fields["metadata"] = {"type": "object"}
    schema["required"] = ["spec"]
    overrides = fields["spec"]["properties"]["overrides"]["properties"]
    overrides["profilingJob"] = {"description": overrides["profilingJob"]["description"], **job_spec()}
    return schema
