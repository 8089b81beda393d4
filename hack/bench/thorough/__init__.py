"""``make bench-thorough``: what the search of thorough finds, beside measuring everything.

Estimates of real models are distorted as measurements differ from estimates. On each such surface the search and a
sweep over all deployments and a grid of loads are run, and compared: how good the choice truly is, measurements,
deployments, time.
"""
