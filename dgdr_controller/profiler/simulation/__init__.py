"""Estimates by AIConfigurator: what to simulate, worker processes, and rows of estimates as candidates."""
