"""The simulator's own steps of a replica, which corrections of its estimate need. Pure.

A request waits for the prompts of those that arrive with it. How long they take is the *queue*: of an aggregated engine
the steps that read the prompts of its whole batch, of a pair the time that a prefill worker spends on its share.
"""

from dgdr_controller.profiler.calibration import Simulated
from dgdr_controller.profiler.simulation.messages import Row, Search


def aggregated_queue(row: Row, isl: int) -> float:
    """Return the time in ms of the steps that read the prompts of the whole batch of an aggregated engine."""
    return float(row["bs"] * isl / row["ctx_tokens"] * row["mixed_step"])


def aggregated_prompt_rate(row: Row, isl: int) -> float:
    """Return the requests per second whose prompts an aggregated engine reads, if no step is without a prompt."""
    return float(1000 * row["concurrency"] / aggregated_queue(row, isl))


def simulated(row: Row, search: Search) -> Simulated:
    """Return what the simulator says of one replica.

    Args:
        row: A replica, with the columns ``queue``, ``decode_step`` and ``prompt_rate`` of `search.search`.
        search: What it was found by.
    """
    gpus = int(row["num_total_gpus"])
    per_gpu = search.osl / gpus
    return Simulated(
        backend=search.backend,
        mode=search.mode,
        isl=search.isl,
        osl=search.osl,
        concurrency=row["concurrency"],
        gpus=gpus,
        ttft=row["ttft"],
        itl=row["tpot"],
        tokens_per_s_per_gpu=row["request_rate"] * per_gpu,
        queue=row["queue"],
        decode=row["decode_step"],
        most_tokens_per_s_per_gpu=row["prompt_rate"] * per_gpu,
        draft_tokens=search.draft_tokens,
    )
