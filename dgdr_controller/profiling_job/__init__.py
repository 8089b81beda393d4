"""The profiling Job and the protocol between it and the controller."""
