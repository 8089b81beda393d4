"""The kinds that a kubelet works with, as plain values."""

from dgdr_controller.runtime import Resource, decode_dict

PODS = Resource("", "v1", "pods", "Pod", decode=decode_dict)
NODES = Resource("", "v1", "nodes", "Node", decode=decode_dict, namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", decode=decode_dict)
SECRETS = Resource("", "v1", "secrets", "Secret", decode=decode_dict)
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", decode=decode_dict)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", decode=decode_dict)
