"""One module per phase: the observed state in, a decision out. No phase imports another one."""
