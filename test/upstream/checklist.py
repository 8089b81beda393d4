"""What Dynamo's own controller is tested for, and where its flaws are, line by line: the test of ours, or why there is none.

Sections are those of an inventory that was read off Dynamo's repository (operator of 1.4 to 1.6): its suites of tests for
DynamoGraphDeploymentRequests, and in 8.1 flaws that were found by reading.
"""

from collections.abc import Mapping

from test.upstream import controller, error_handling, flaws, gpu, hardware, job_overrides, products, units, webhooks
from test.upstream.lines import Line

SECTIONS: Mapping[str, tuple[Line, ...]] = {
    "7.1 controller": (
        *controller.RECONCILES,
        *controller.HELPERS_AND_VALIDATION,
        *controller.STATUS,
        *error_handling.DOCUMENTS_OF_THE_PROFILER,
        *error_handling.DISCOVERY,
        *error_handling.SUB_PHASES,
    ),
    "7.2 unit tests of the controller": units.UNITS,
    "7.3 hardware": hardware.HARDWARE,
    "7.4 overrides of the Job": job_overrides.JOB_OVERRIDES,
    "7.5 GPUs": (*gpu.ON_NODES, *gpu.FROM_EXPORTERS, *products.PRODUCTS),
    "7.6 webhooks": (*webhooks.ON_CREATE, *webhooks.ON_UPDATE, *webhooks.OTHERS_OF_WEBHOOKS),
    "8.1 flaws": (*flaws.PASSING_FAULTS, *flaws.STUCK, *flaws.LOST_INFORMATION, *flaws.DESIGN),
}

INVENTORY: Mapping[str, int] = {
    "7.1 controller": 64,
    "7.2 unit tests of the controller": 8,
    "7.3 hardware": 21,
    "7.4 overrides of the Job": 39,
    "7.5 GPUs": 99,
    "7.6 webhooks": 50,
    "8.1 flaws": 35,
}
"""Lines of the inventory."""
