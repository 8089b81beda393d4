"""``make demo``: from nothing to a deployment, on a cluster of this machine, shown as it happens."""
