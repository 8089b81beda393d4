"""The CustomResourceDefinition of a DynamoGraphDeploymentRequest."""

from dgdr_api import v1alpha1, v1beta1
from dgdr_api.model import ApiModel
from dgdr_api.names import GROUP, KIND
from dgdr_api.schema import Schema, job_spec, structural
from dgdr_api.v1alpha1.status import PROFILING_RESULTS

PLURAL = "dynamographdeploymentrequests"
NAME = f"{PLURAL}.{GROUP}"

_SUCCEEDED = '.status.conditions[?(@.type=="Succeeded")]'
_V1BETA1_COLUMNS = (
    ("Model", "string", ".spec.model"),
    ("Backend", "string", ".spec.backend"),
    ("Phase", "string", ".status.phase"),
    ("Profiling", "string", ".status.profilingPhase"),
    ("Reason", "string", f"{_SUCCEEDED}.reason"),
    ("Message", "string", f"{_SUCCEEDED}.message"),
    ("DGD", "string", ".status.dgdName"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
"""Those of Dynamo's CRD, as are those of v1alpha1: people's scripts read them."""
_V1ALPHA1_COLUMNS = (
    ("Model", "string", ".spec.model"),
    ("Backend", "string", ".status.backend"),
    ("State", "string", ".status.state"),
    ("DGD-State", "string", ".status.deployment.state"),
    ("Age", "date", ".metadata.creationTimestamp"),
)
_CONVERSION: Schema = {
    "strategy": "Webhook",
    "webhook": {
        "conversionReviewVersions": ["v1"],
        "clientConfig": {
            "service": {"namespace": "dgdr-system", "name": "dgdr-webhook-service", "path": "/convert"},
        },
    },
}
"""Always by webhook, also where none answers yet: without one the API server would change the version's name alone, and
drop what the other version does not know. What is stored needs no conversion to be read as v1beta1."""
_DEPRECATION = f"{GROUP}/v1alpha1 {KIND} is deprecated; use {GROUP}/v1beta1 {KIND}"


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
            "conversion": _CONVERSION,
            "versions": [
                _version("v1beta1", _v1beta1(), _V1BETA1_COLUMNS) | {"storage": True},
                _version("v1alpha1", _v1alpha1(), _V1ALPHA1_COLUMNS)
                | {"storage": False, "deprecated": True, "deprecationWarning": _DEPRECATION},
            ],
        },
    }


def _version(name: str, schema: Schema, columns: tuple[tuple[str, str, str], ...]) -> Schema:
    return {
        "name": name,
        "served": True,
        "additionalPrinterColumns": [{"name": name, "type": kind, "jsonPath": path} for name, kind, path in columns],
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }


def _v1beta1() -> Schema:
    schema = _whole(v1beta1.DynamoGraphDeploymentRequest)
    overrides = schema["properties"]["spec"]["properties"]["overrides"]["properties"]
    overrides["profilingJob"] = {"description": overrides["profilingJob"]["description"], **job_spec()}
    return schema


def _v1alpha1() -> Schema:
    """Return the schema of v1alpha1; its overrides.profilingJob is checked at admission alone, for the CRD's size."""
    schema = _whole(v1alpha1.DynamoGraphDeploymentRequest)
    schema["properties"]["status"]["properties"]["profilingResults"] = PROFILING_RESULTS
    return schema


def _whole(model: type[ApiModel]) -> Schema:
    schema = structural(model)
    fields = schema["properties"]
    # The API server knows these better, and allows nothing but names and generateName to be said of metadata here.
    fields["apiVersion"] = {"type": "string", "description": fields["apiVersion"]["description"]}
    fields["kind"] = {"type": "string", "description": fields["kind"]["description"]}
    fields["metadata"] = {"type": "object"}
    schema["required"] = ["spec"]
    return schema
