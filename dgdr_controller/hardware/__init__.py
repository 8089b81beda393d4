"""Which GPUs the cluster has, and which of them a request may use."""
