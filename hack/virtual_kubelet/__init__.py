"""A virtual kubelet: a node whose pods run as ordinary processes of this machine, without root and without containers.

What is real: the pod's spec (commands, environment, volumes, probes, restarts, sidecars, termination), its rights
(tokens of its own ServiceAccount), its status, events and logs. Programs of this machine stand for images (`programs`).

What is missing: namespaces, cgroups, mounts, DNS and Services. Paths in commands and variables are led to the volumes'
folders; a program that names such a path in its own code does not find it. Pods share the network of this machine:
programs must listen at the address of their pod, not at all addresses, or the next pod finds the port in use.
Processes run as the user that runs the cluster, with no limits on memory or CPU, and ``securityContext`` has no
effect: run only what you trust.
"""
