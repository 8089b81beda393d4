"""How far AIC's estimates can be trusted: corrected by public measurements, with ranges and chances. Pure.

The table (``table.json``) is fitted by ``make calibration`` and reviewed like code. `Calibration.load` reads it,
`Calibration.check` refuses it for another version of AIC, `Calibration.correct` applies it to one estimate.
"""

from dgdr_controller.profiler.calibration.corrected import Corrected, Distribution
from dgdr_controller.profiler.calibration.simulated import Regime, Simulated
from dgdr_controller.profiler.calibration.table import Calibration, CalibrationError

__all__ = ["Calibration", "CalibrationError", "Corrected", "Distribution", "Regime", "Simulated"]
