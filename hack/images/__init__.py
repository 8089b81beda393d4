"""The project's container images, with Docker or without; see ``python -m hack.images --help``."""
