"""A real Kubernetes for development, tests and the demo; see ``python -m hack.cluster --help``."""
