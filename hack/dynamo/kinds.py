"""The kinds that the operator works with, as plain values."""

from dgdr_controller.runtime import Resource, decode_dict

GRAPHS = Resource("nvidia.com", "v1beta1", "dynamographdeployments", "DynamoGraphDeployment", decode=decode_dict)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", decode=decode_dict)
SERVICES = Resource("", "v1", "services", "Service", decode=decode_dict)
NODES = Resource("", "v1", "nodes", "Node", decode=decode_dict, namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", decode=decode_dict)
