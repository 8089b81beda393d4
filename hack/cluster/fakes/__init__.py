"""What a machine without GPUs and with one node lacks: GPUs, nodes, their heartbeats and exporters."""
