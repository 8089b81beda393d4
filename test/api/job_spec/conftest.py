from test.builders.stored_requests import definitions, requests

__all__ = ["definitions", "requests"]  # fixtures
