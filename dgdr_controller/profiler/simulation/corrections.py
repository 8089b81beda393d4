"""Corrects the numbers of many replicas at once, as `Calibration.correct` corrects those of one. Pure.

What is worth showing is found among corrected numbers: a correction may change which of two replicas is faster.
"""

from dataclasses import replace

import numpy as np

from dgdr_controller.profiler.calibration import Regime
from dgdr_controller.profiler.calibration.simulated import BOUNDS
from dgdr_controller.profiler.simulation.messages import Search
from dgdr_controller.profiler.simulation.replicas import Numbers, Replicas


def corrected(replicas: Replicas, wanted: Search) -> Replicas:
    """Return the replicas with corrected latencies and rates; as they are where there is no table."""
    table = wanted.calibration
    if table is None:
        return replicas
    regime = np.digitize(_share_of_prompts(replicas, wanted.osl), BOUNDS)
    rows = [table.row_of(wanted.backend, wanted.mode, regime) for regime in Regime]
    factors = np.array([(m.ttft, m.itl, m.throughput) for row in rows if (m := row.medians(table.probabilities))])
    ttft_factor, itl_factor, rate_factor = np.moveaxis(factors[regime], -1, 0)
    terms = table.terms_of(wanted.backend, wanted.mode)
    steps = terms.simulated * replicas.ttft + terms.queue * replicas.queue + terms.decode * replicas.decode
    ttft, itl = (steps + terms.constant_ms) * ttft_factor, replicas.itl * itl_factor
    littles = 1000 * replicas.concurrency / (ttft + itl * (wanted.osl - 1))
    kept_up = np.minimum(1.0, replicas.prompts / littles)
    served = littles * kept_up * rate_factor
    site = table.site_of(wanted.backend, wanted.mode, wanted.draft_tokens)
    if site is not None:
        ttft, itl, served = site.applied(ttft, itl, served)
    rate = replicas.rate * served / replicas.served
    concurrency = replicas.concurrency * kept_up
    return replace(replicas, ttft=ttft, itl=itl, served=served, rate=rate, concurrency=concurrency, errors=regime)


def _share_of_prompts(replicas: Replicas, osl: int) -> Numbers:
    decoding = osl * replicas.decode
    return np.where(decoding > 0, replicas.queue / np.maximum(replicas.queue + decoding, 1e-12), 1.0)
