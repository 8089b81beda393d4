"""``make bench-truth``: what a choice by our numbers and rules is worth, scored by public measurements.

For every measured workload with three parallelisms or more, and a grid of targets: pick one of the measured
deployments by what is estimated of them, score it by what was measured. What corrects the estimates was fitted without
the model family, or without the system, of the workload.
"""
