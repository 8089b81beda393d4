"""Imported first by the process that workers are forked from: it ends when the program that it serves ends.

By itself it would notice only once it has imported everything, seconds later on a busy machine.
"""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1

if sys.platform == "linux":  # elsewhere it ends those seconds later
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
