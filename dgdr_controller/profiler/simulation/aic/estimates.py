"""AIC as an estimator: how fast one worker is at one operating point.

AIC's own sweeps ask for a whole table under a list of targets and work out every point anew for each of them; its
estimator answers for one point in half a millisecond, so each point is asked for once and everything else is ours.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dgdr_api.candidate import Mode, Role
from dgdr_controller.profiler.simulation.aic import limits
from dgdr_controller.profiler.simulation.aic.package import VERSION_SLOT, module
from dgdr_controller.profiler.simulation.aic.task import PREFIXES, task_of
from dgdr_controller.profiler.simulation.messages import Row, Search, Workers
from dgdr_controller.profiler.simulation.operating_points import Point, operating_points
from dgdr_controller.profiler.simulation.shapes import Parallel, usual
from dgdr_controller.profiler.simulation.speculation import accepted
from dgdr_controller.profiler.simulation.worker_pool import report

_STEPS = {"mixed": "mix_step", "decode": "genonly_step"}
"""Our names of an aggregated worker's steps, and AIC's."""

_NUMBERS = ("ttft", "tpot", "concurrency", "request_rate")


def estimate_workers(wanted: Search) -> Workers:
    """Estimate every worker that an engine may have in one mode: each parallelism at each operating point.

    Raises:
        Exception: A fault of AIC; that it cannot model a request is no fault but an answer.
    """
    try:
        task = task_of(wanted)
        estimators = [Estimator.of(task, wanted, role) for role in PREFIXES[wanted.mode]]
        rows = {estimator.role: list(estimator.rows()) for estimator in estimators}
        for estimator in estimators:
            if not rows[estimator.role]:
                task.validate()  # takes seconds, but has a sentence for most of what AIC cannot model
                return Workers({}, estimator.why_nothing())
    except Exception as error:
        if module("sdk.errors").is_expected_cli_error(error):
            return Workers({}, " ".join(str(error).split()))
        raise
    lost = "; ".join(estimator.what_is_missing() for estimator in estimators if estimator.failures)
    return Workers(rows, lost, same_tp=estimators[-1].same_tp)


@dataclass(frozen=True, slots=True)
class Estimator:
    """Estimates workers of one role.

    Attributes:
        wanted: What is searched.
        role: The role.
        database: AIC's performance data.
        settings: What AIC's task has worked out for its own sweep: parallelisms, precision, corrections.
        speculation: AIC's profile of speculative decoding; None: there is none.
        failures: Of parallelisms that could not be estimated at all, one each.
        gaps: The first operating point that lies outside of what was measured.
    """

    wanted: Search
    role: Role
    database: Any
    settings: Mapping[str, Any]
    speculation: Any
    failures: list[Exception]
    gaps: list[Exception]

    @classmethod
    def of(cls, task: Any, wanted: Search, role: Role) -> "Estimator":
        """Take over what AIC's task has worked out for one role."""
        database = module("sdk.perf_database").get_database_view(
            *(wanted.system, wanted.backend.value, wanted.limits_version or VERSION_SLOT),
            allow_missing_data=wanted.limits_version is not None,
            database_mode=task.database_mode,
            transfer_policy=task.transfer_policy,
        )
        if wanted.mode is Mode.AGGREGATED:
            settings = task.sweep_agg_kwargs(database=database)
        else:
            settings = task.sweep_disagg_kwargs(prefill_database=database, decode_database=database)
        speculation = task.build_speculative_profile() if wanted.draft_tokens else None
        return cls(wanted, role, database, settings, speculation, [], [])

    @property
    def _prefix(self) -> str:
        return PREFIXES[self.wanted.mode][self.role]

    @property
    def same_tp(self) -> Callable[[Row, Row], bool]:
        """Whether a prefill and a decode worker must have one TP to transfer the KV cache."""
        rule = self.settings.get("require_same_tp", False)
        return rule if callable(rule) else lambda _prefill, _decode: bool(rule)

    def rows(self) -> Iterator[Row]:
        """Yield a row for each parallelism and operating point that fits in memory."""
        report(self.role)
        for parallel in self.shapes:
            try:
                yield from self._rows_of(parallel)
            except Exception as error:  # noqa: BLE001 - "not divisible by" and the like come as any type
                self.failures.append(error)

    @property
    def shapes(self) -> list[Parallel]:
        """Parallelisms that AIC knows for the model, of engines that may be as large, as people deploy them."""
        known: list[list[int]] = self.settings[f"{self._prefix}parallel_config_list"]
        return usual(
            [
                (tp, pp, dp, moe_tp, moe_ep, cp)
                for tp, pp, dp, moe_tp, moe_ep, cp in known
                if self.wanted.may_have(tp * pp * dp * cp)
            ],
            self.wanted.nodes.gpus,
        )

    def why_nothing(self) -> str:
        """Say why there is not one row.

        Raises:
            Exception: What AIC failed with, where that is a fault of it.
        """
        missing = module("sdk.perf_database").has_perf_data_not_available_cause
        for error in (*self.gaps, *self.failures):
            if missing(error):
                return " ".join(str(error).split())
        if self.failures and len(self.failures) == len(self.shapes):
            raise self.failures[0]
        fewest, most = self.wanted.engine_gpus
        least = f"{fewest} to " if fewest > 1 else "up to "
        most = self.wanted.total_gpus if most is None else most
        return f"no {self.role} worker of {least}{most} GPUs has the memory for one request"

    def what_is_missing(self) -> str:
        """Say which part of the search could not be done."""
        tried = len(self.shapes)
        reason = " ".join(str(self.failures[0]).split()) or type(self.failures[0]).__name__
        return f"{len(self.failures)} of {tried} {self.role} parallelisms were not estimated, the first: {reason}"

    def _rows_of(self, parallel: Parallel) -> Iterator[Row]:
        config = self.config(parallel)
        missing = module("sdk.errors").PerfDataNotAvailableError
        predict = self.predictor(config, **({"osl": 2} if self.wanted.osl == 1 else {}))
        for points in operating_points(self.role, self.wanted.isl):
            for number, point in enumerate(points):
                try:
                    summary = predict(point)
                except missing as error:
                    self.gaps[:] = self.gaps or [error]
                    continue
                if summary.check_oom() or summary.check_kv_cache_oom():
                    if number == 0:
                        return  # a larger batch needs more
                    break  # and so does a larger chunk
                yield row_of(summary, self.role, config, point, self.wanted)

    def config(self, parallel: Parallel) -> Any:
        """Return AIC's configuration of a worker."""
        tp, pp, dp, moe_tp, moe_ep, cp = parallel
        return dataclasses.replace(
            self.settings[f"{self._prefix}model_config"](parallel),
            tp_size=tp,
            pp_size=pp,
            attention_dp_size=dp,
            moe_tp_size=moe_tp,
            moe_ep_size=moe_ep,
            cp_size=cp,
        )

    def predictor(self, config: Any, **workload: int) -> Callable[[Point], Any]:
        """Return what estimates one parallelism, for another isl or osl than the search's where they are given.

        It has a backend of its own: AIC's keeps results by point alone.
        """
        name = self.wanted.backend.value
        worker = {
            "model": module("sdk.models").get_model(
                model_path=self.wanted.model, model_config=config, backend_name=name
            ),
            "backend": module("sdk.backends.factory").get_backend(name),
            "database": self.database,
            "speculative_profile": self.speculation,
        }
        for key in ("max_seq_len", "free_gpu_memory_fraction"):
            if self.settings.get(key) is not None:
                worker[key] = self.settings[key]
        correct = limits.Correction.of(worker["model"], self.database) if self.wanted.limits_version else None
        sdk = module("sdk.predict")
        if self.role is Role.AGGREGATED:
            if correct:
                limits.correct_steps(worker["backend"], correct)
            return lambda point: sdk.predict_agg_worker(
                **worker, runtime_config=self._runtime(point, workload), ctx_tokens=point.chunk
            )
        scale = self.settings[f"{self._prefix}latency_correction"]

        def predict(point: Point) -> Any:
            runtime = self._runtime(point, workload)
            summary = sdk.predict_disagg_worker(
                **worker,
                runtime_config=runtime,
                role=self.role.value,
                latency_correction=scale,
            )
            return limits.correct_phase(summary, correct, self.role, runtime.osl) if correct else summary

        return predict

    def _runtime(self, point: Point, workload: Mapping[str, int]) -> Any:
        return dataclasses.replace(self.settings["runtime_config"], batch_size=point.batch, **workload)


def row_of(summary: Any, role: Role, config: Any, point: Point, wanted: Search) -> Row:
    """Return what is estimated of one worker, columns named as in AIC's tables, and the steps of an aggregated one."""
    osl = wanted.osl
    if role is Role.AGGREGATED:
        values, sources = summary.get_result_dict(), summary.get_per_ops_source().values()
        if osl == 1:  # estimated with a second token, whose time is nearly nothing beside the prompts
            values = {**values, "tpot": 0.0}
        if point.batch == 1 and point.chunk < wanted.isl:
            # AIC counts one chunk only of a single request whose prompt is cut: the rate is Little's law.
            latency = values["ttft"] + values["tpot"] * (osl - 1)
            values = {**values, "request_rate": 1000 * values["concurrency"] / latency}
    else:
        values, sources = _phase(summary, role, config, point, wanted), [_phase_sources(summary, role)]
    return {
        "tp": config.tp_size,
        "pp": config.pp_size,
        "dp": config.attention_dp_size,
        "cp": config.cp_size,
        "moe_tp": config.moe_tp_size,
        "moe_ep": config.moe_ep_size,
        "kvcache": config.kvcache_quant_mode.name,
        "bs": point.batch,
        "ctx_tokens": point.chunk,
        "num_total_gpus": config.total_gpus_per_worker,
        **{key: float(values[key]) for key in _NUMBERS},
        **(_steps(summary) if role is Role.AGGREGATED else {}),
        "memory": float(summary.get_memory()["total"]),
        "sources": limits.SOURCES if wanted.limits_version else sorted({s for step in sources for s in step.values()}),
    }


def _steps(summary: Any) -> dict[str, float]:
    """Return the two kinds of steps that AIC's numbers of an aggregated worker are made of, in ms.

    One reads a chunk of prompts while other requests decode, one only decodes; there is none of the latter (0) where
    prompts never stop coming.
    """
    steps = summary.get_per_ops_data()
    return {f"{name}_step": float(sum(steps.get(key, {}).values())) for name, key in _STEPS.items()}


def _phase(summary: Any, role: Role, config: Any, point: Point, wanted: Search) -> dict[str, float]:
    """Return the numbers of a prefill or a decode worker (AIC: ``run_static``).

    Both work on whole batches in turn; attention-DP ranks have a batch each, pipeline stages one after the other.
    """
    steps = summary.get_context_latency_dict() if role is Role.PREFILL else summary.get_generation_latency_dict()
    latency = sum(steps.values())
    if role is Role.DECODE:
        latency /= 1 + accepted(wanted.draft_tokens)  # so many tokens come of one step
    concurrency = point.batch * config.attention_dp_size
    rate = 1000 * concurrency * config.pp_size / latency if latency else 0.0
    return {
        "ttft": latency if role is Role.PREFILL else 0.0,
        "tpot": latency / (wanted.osl - 1) if role is Role.DECODE and wanted.osl > 1 else 0.0,
        "concurrency": concurrency,
        "request_rate": rate,
    }


def _phase_sources(summary: Any, role: Role) -> Mapping[str, str]:
    sources: Mapping[str, str] = (
        summary.get_context_source_dict() if role is Role.PREFILL else summary.get_generation_source_dict()
    )
    return sources
