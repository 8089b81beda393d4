"""For tests: an API server that does as it is told, and an event loop that does not wait."""

from dgdr_controller.runtime.testing.loop import VirtualLoop, real_time, until, virtual_time
from dgdr_controller.runtime.testing.refusal import Refusal
from dgdr_controller.runtime.testing.server import FakeApiServer, Fault

__all__ = ["FakeApiServer", "Fault", "Refusal", "VirtualLoop", "real_time", "until", "virtual_time"]
