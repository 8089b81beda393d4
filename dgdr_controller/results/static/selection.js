// Which candidate is deployed: the rules of dgdr_controller/profiler/selection, for targets that the reader tries.
// Pure: candidates in, candidates out. Tested against the rules in Python on the same candidates.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});

  const NOT_OFFERED = ["does-not-fit", "over-budget", "not-renderable"];

  function isOffered(candidate) {
    return Boolean(candidate.performance) && !NOT_OFFERED.includes(candidate.verdict?.outcome);
  }

  function hasLoad(goal) {
    return !goal.autoscale && (goal.concurrency !== undefined || goal.requestRate !== undefined);
  }

  // The share of the wanted load that the candidate serves, 0 to 1; with the planner by the whole budget.
  function served({ performance, gpusPerReplica }, goal, budget) {
    const times = goal.autoscale ? Math.max(1, Math.floor(budget / gpusPerReplica)) : 1;
    if (goal.concurrency !== undefined) return Math.min(1, (times * performance.concurrency) / goal.concurrency);
    if (goal.requestRate !== undefined) return Math.min(1, (times * performance.requestRate) / goal.requestRate);
    return 1;
  }

  // Tokens/s/GPU where neither side waits for the other: each request takes its share of both.
  function autoscaled({ performance, workers }) {
    const seconds = workers
      .filter(({ requestRate }) => requestRate)
      .reduce((sum, { parallelism: { tp = 1, pp = 1, dp = 1, cp = 1 }, requestRate }) => sum + (tp * pp * dp * cp) / requestRate, 0);
    const tokens = performance.tokensPerS / performance.requestRate;
    return seconds ? tokens / seconds : performance.tokensPerSPerGpu;
  }

  // What two candidates are compared by: more throughput, fewer GPUs, a shorter TTFT are better.
  function criteria(candidate, goal, budget) {
    const loaded = hasLoad(goal);
    const { performance } = candidate;
    const used = loaded ? candidate.gpus : budget;
    return {
      tokensPerSPerGpu: goal.autoscale ? autoscaled(candidate) : performance.tokensPerS / used,
      tokensPerSPerUser: performance.tokensPerSPerUser,
      ttft: performance.ttft,
      served: goal.autoscale ? Math.floor(served(candidate, goal, budget)) : served(candidate, goal, budget),
      gpus: loaded ? candidate.gpus : 0,
    };
  }

  function ordered(criteria) {
    return [criteria.tokensPerSPerGpu, criteria.tokensPerSPerUser, -criteria.ttft, criteria.served, -criteria.gpus];
  }

  // Says whether one is at least as good in everything and better in something.
  function dominates(one, other) {
    const [ours, theirs] = [ordered(one), ordered(other)];
    return compared(ours, theirs) !== 0 && ours.every((value, i) => value >= theirs[i]);
  }

  // The candidates that no other dominates, by falling tokens/s/GPU.
  function front(candidates, goal, budget) {
    const ranked = candidates
      .map((candidate) => ({ candidate, criteria: criteria(candidate, goal, budget) }))
      .map((each) => ({ ...each, rank: [...ordered(each.criteria).map((value) => -value), each.candidate.id] }))
      .sort((a, b) => compared(a.rank, b.rank));
    // Who dominates comes earlier in this order, so comparing with the front found so far is enough.
    const kept = [];
    for (const each of ranked) {
      if (!kept.some((other) => dominates(other.criteria, each.criteria))) kept.push(each);
    }
    return kept.map(({ candidate }) => candidate);
  }

  // The best candidate; undefined if there is none.
  function choose(candidates, goal, budget) {
    let best;
    for (const candidate of candidates) {
      const rank = rankOf(candidate, goal, budget);
      if (!best || compared(rank, best.rank) < 0) best = { candidate, rank };
    }
    return best?.candidate;
  }

  function rankOf(candidate, goal, budget) {
    const measure = criteria(candidate, goal, budget);
    return [
      violation(candidate, goal, true),
      -measure.served,
      violation(candidate, goal, false),
      measure.gpus,
      ...objective(candidate, measure, goal.objective).map((value) => -value),
      candidate.gpus,
      candidate.mode === "disaggregated" ? 1 : 0,
      candidate.id,
    ];
  }

  // What is maximised; the later values decide between equals, so that the choice is on the front.
  function objective(candidate, { tokensPerSPerGpu, tokensPerSPerUser, ttft }, wanted) {
    const rest = [tokensPerSPerGpu, tokensPerSPerUser, -ttft];
    if (wanted === "latency") return [-candidate.performance.e2e, ...rest];
    if (wanted === "hybrid") return [tokensPerSPerGpu * tokensPerSPerUser, ...rest];
    return rest;
  }

  // By how much targets are missed: the sum of the relative excesses. `explicit`: those that the user wrote.
  function violation(candidate, goal, explicit) {
    return targets(candidate, goal)
      .filter(({ value, target }) => target.explicit === explicit && value > target.value)
      .reduce((sum, { value, target }) => sum + (value / target.value - 1), 0);
  }

  // The targets that apply: name, what the candidate reaches, and the target.
  function targets({ performance }, goal) {
    return [
      { name: "TTFT", key: "ttft", value: performance.ttft, target: goal.ttft },
      { name: "ITL", key: "itl", value: performance.itl, target: goal.itl },
      { name: "E2E latency", key: "e2e", value: performance.e2e, target: goal.e2eLatency },
    ].filter(({ target }) => target);
  }

  function meetsTargets(candidate, goal) {
    return targets(candidate, goal).every(({ value, target }) => value <= target.value);
  }

  // Compares lists as Python compares tuples.
  function compared(a, b) {
    for (let i = 0; i < a.length; i += 1) {
      if (a[i] < b[i]) return -1;
      if (a[i] > b[i]) return 1;
    }
    return 0;
  }

  dgdr.selection = {
    choose, compared, criteria, dominates, front, hasLoad, isOffered, meetsTargets, served, targets, violation,
  };
})();
