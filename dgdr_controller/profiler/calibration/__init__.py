"""How far AIC's estimates can be trusted: corrected by public measurements, with ranges and chances. Pure.

The table (``table.json``) is fitted by ``make calibration`` and reviewed like code. `Calibration.load` reads it,
`Calibration.check` refuses it for another version of AIC, `Calibration.correct` applies it to one estimate, and
`with_chances` says how likely a candidate meets targets. `site_corrections` is what a site's own measurements add.
"""

from dgdr_controller.profiler.calibration.simulated import Regime, Simulated
from dgdr_controller.profiler.calibration.site import Estimated, implausible, site_corrections
from dgdr_controller.profiler.calibration.table import Calibration, CalibrationError, Corrected
from dgdr_controller.profiler.calibration.uncertainty import Distribution, Distributions, with_chances

__all__ = [
    "Calibration",
    "CalibrationError",
    "Corrected",
    "Distribution",
    "Distributions",
    "Estimated",
    "Regime",
    "Simulated",
    "implausible",
    "site_corrections",
    "with_chances",
]
