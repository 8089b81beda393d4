"""The lifecycle of a request: one module for each phase, observe → decide → act."""
