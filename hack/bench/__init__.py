"""Benchmarks: ours beside others, alternated in one run. What holds on a noisy machine are ratios."""
