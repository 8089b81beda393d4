// Which candidate is deployed: the rules of dgdr_controller/profiler/selection, for targets that the reader tries.
// Pure: candidates in, candidates out. Tested against the rules in Python on the same candidates.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});

  const NOT_OFFERED = ["does-not-fit", "over-budget", "not-renderable", "not-measured", "failed-trial"];

  function isOffered(candidate) {
    return Boolean(candidate.performance) && !NOT_OFFERED.includes(candidate.verdict?.outcome);
  }

  function wantsLoad(goal) {
    return goal.concurrency !== undefined || goal.requestRate !== undefined;
  }

  // A load that must be served by what is deployed; the planner follows the load by itself.
  function hasLoad(goal) {
    return wantsLoad(goal) && !goal.autoscale;
  }

  // The share of the wanted load that the candidate serves, 0 to 1; with the planner by the whole budget.
  function served({ performance, gpusPerReplica, workers }, goal, budget) {
    const balanced = goal.autoscale && goal.requestRate !== undefined ? balancedRate(workers, budget) : 0;
    if (balanced) return Math.min(1, balanced / goal.requestRate);
    const times = goal.autoscale ? Math.max(1, Math.floor(budget / gpusPerReplica)) : 1;
    if (goal.concurrency !== undefined) return Math.min(1, (times * performance.concurrency) / goal.concurrency);
    if (goal.requestRate !== undefined) return Math.min(1, (times * performance.requestRate) / goal.requestRate);
    return 1;
  }

  // Requests per second of the best numbers of prefill and decode workers; 0 where that is not known.
  function balancedRate(workers, budget) {
    if (workers.length !== 2 || workers.some(({ requestRate }) => !requestRate)) return 0;
    const gpus = workers.map(({ parallelism: { tp = 1, pp = 1, dp = 1, cp = 1 } }) => tp * pp * dp * cp);
    const most = Math.max(1, Math.floor((budget - gpus[1]) / gpus[0]));
    let best = 0;
    for (let count = 1; count <= most; count += 1) {
      const others = Math.max(1, Math.floor((budget - count * gpus[0]) / gpus[1]));
      best = Math.max(best, Math.min(count * workers[0].requestRate, others * workers[1].requestRate));
    }
    return best;
  }

  // Tokens/s/GPU where neither side waits for the other: each request takes its share of both.
  function autoscaled({ performance, workers }) {
    const seconds = workers
      .filter(({ requestRate }) => requestRate)
      .reduce((sum, { parallelism: { tp = 1, pp = 1, dp = 1, cp = 1 }, requestRate }) => sum + (tp * pp * dp * cp) / requestRate, 0);
    const tokens = performance.tokensPerS / performance.requestRate;
    return seconds ? tokens / seconds : performance.tokensPerSPerGpu;
  }

  // What two candidates are compared by: more throughput, fewer GPUs, a shorter TTFT, a better chance are better.
  function criteria(candidate, goal, budget) {
    const loaded = hasLoad(goal);
    const { performance } = candidate;
    const used = loaded ? candidate.gpus : budget;
    return {
      tokensPerSPerGpu: goal.autoscale ? autoscaled(candidate) : performance.tokensPerS / used,
      tokensPerSPerUser: performance.tokensPerSPerUser,
      ttft: performance.ttft,
      served: served(candidate, goal, budget),
      gpus: loaded ? candidate.gpus : 0,
      weight: dgdr.likely.weight(candidate, goal),
    };
  }

  function ordered(criteria) {
    const { tokensPerSPerGpu, tokensPerSPerUser, ttft, served: share, gpus, weight } = criteria;
    return [tokensPerSPerGpu, tokensPerSPerUser, -ttft, share, -gpus, weight];
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

  const MOST_FOR_DEFAULTS = 2; // factor in throughput, with a load in GPUs, that default targets may cost
  const NEAR = 1.15; // times the closest latency that can be had
  const FEW = 2; // requests at a time
  const FOR_SEVERAL = 1.5; // times the closest latency, where only engines for so few come near it
  const [NEARLY, NEARLY_AT_THE_KNEE] = [1.05, 1.0125]; // factors between scores: an aggregated engine is simpler

  // The best candidate; undefined if there is none. Each step keeps the best by one thing for the next one.
  function choose(candidates, goal, budget) {
    if (!candidates.length) return undefined;
    const remaining = steps(goal, budget).reduce((kept, step) => step(kept), candidates);
    const rank = ({ gpus, mode, id }) => [gpus, mode === "disaggregated" ? 1 : 0, id];
    return remaining.reduce((best, each) => (compared(rank(each), rank(best)) < 0 ? each : best));
  }

  function steps(goal, budget) {
    const of = (candidate) => criteria(candidate, goal, budget);
    const price = (candidate) => (hasLoad(goal) ? candidate.gpus : 1 / of(candidate).tokensPerSPerGpu);
    const mostServed = (candidates) => lowest(candidates, (candidate) => -of(candidate).served);
    // Those of the number of GPUs that is smallest over what the best of them promises.
    const fewestGpus = (candidates, wanted = goal) => {
      const rank = (candidate) => [of(candidate).gpus / dgdr.likely.weight(candidate, wanted), of(candidate).gpus];
      const cheapest = candidates.reduce((best, each) => (compared(rank(each), rank(best)) < 0 ? each : best));
      return candidates.filter((candidate) => of(candidate).gpus === of(cheapest).gpus);
    };
    const closeToDefaults = (candidates) => {
      const writtenOnly = withoutDefaults(goal);
      const free = price(bestOf(fewestGpus(candidates, writtenOnly), writtenOnly, budget)[0]);
      return nearest(candidates.filter((candidate) => price(candidate) <= free * MOST_FOR_DEFAULTS), goal, budget, false);
    };
    const served = wantsLoad(goal) ? [mostServed] : [];
    const [first, second] = goal.requestRate !== undefined ? [served, []] : [[], served];
    return [
      ...first,
      (candidates) => nearest(candidates, goal, budget, true),
      ...second,
      ...(isWritten(goal, false) ? [closeToDefaults] : []),
      (candidates) => fewestGpus(candidates),
      (candidates) => bestOf(candidates, goal, budget),
    ];
  }

  // The goal with the targets that the user wrote alone.
  function withoutDefaults({ ttft, itl, e2eLatency, ...rest }) {
    const written = (target) => (target?.explicit ? target : undefined);
    return { ...rest, ttft: written(ttft), itl: written(itl), e2eLatency: written(e2eLatency) };
  }

  function lowest(candidates, measure) {
    const least = Math.min(...candidates.map(measure));
    return candidates.filter((candidate) => measure(candidate) === least);
  }

  // Those that have the most of what the objective wants: one, or several equal ones.
  function bestOf(candidates, goal, budget) {
    const certain = !isWritten(goal, true);
    let pool = candidates;
    if (goal.objective === "hybrid") {
      pool = front(candidates, goal, budget);
      const busy = pool.filter((candidate) => requests(candidate) > FEW);
      pool = busy.length ? busy : pool;
    }
    const ranked = pool.map((candidate) => ({ candidate, rank: rankOf(candidate, goal, budget) }));
    const largest = (some) => some.reduce((best, each) => (compared(each.rank, best.rank) > 0 ? each : best)).rank;
    let most = largest(ranked);
    if (goal.objective === "hybrid") {
      const near = most[0] / (certain ? NEARLY_AT_THE_KNEE : NEARLY);
      const simple = ranked.filter(({ candidate, rank }) => candidate.mode === "aggregated" && rank[0] >= near);
      if (simple.length) most = largest(simple);
    }
    return ranked.filter(({ rank }) => compared(rank, most) === 0).map(({ candidate }) => candidate);
  }

  // How many requests one engine works on at a time.
  function requests({ workers }) {
    const { batch, parallelism } = workers.at(-1); // the one that decodes
    return batch * (parallelism.dp ?? 1);
  }

  // What is maximised; the later values decide between equals, so that the choice is on the front.
  function rankOf(candidate, goal, budget) {
    const measure = criteria(candidate, goal, budget);
    const { tokensPerSPerGpu, tokensPerSPerUser, ttft } = measure;
    return [scoreOf(candidate, measure, goal) * dgdr.likely.weight(candidate, goal), tokensPerSPerGpu, tokensPerSPerUser, -ttft];
  }

  // What the objective wants most of, apart from how likely the targets are met.
  function scoreOf(candidate, measure, goal) {
    if (goal.objective === "latency") return 1 / candidate.performance.e2e;
    return goal.objective === "hybrid" && !isWritten(goal, true) ? balance(measure) : measure.tokensPerSPerGpu;
  }

  // What is largest at the knee of throughput and speed. Throughput counts twice: so a tenth less of it never buys a
  // quarter more speed there.
  function balance({ tokensPerSPerGpu, tokensPerSPerUser }) {
    return tokensPerSPerGpu * tokensPerSPerGpu * tokensPerSPerUser;
  }

  // The candidates that meet the targets; where none does, those that come near the closest one.
  function nearest(candidates, goal, budget, explicit) {
    const several = forSeveral(candidates, goal, budget, explicit);
    return near(several.length ? several : candidates, goal, explicit);
  }

  // What serves more than a few requests at a time, where targets are out of reach and nothing near does.
  function forSeveral(candidates, goal, budget, explicit) {
    const close = near(candidates, goal, explicit);
    const reached = !violation(close[0], goal, explicit);
    if (reached || goal.objective === "latency" || close.some((candidate) => requests(candidate) > FEW)) return [];
    const limits = limitsOf(candidates, goal, FOR_SEVERAL, explicit);
    return front(candidates, goal, budget)
      .filter((candidate) => requests(candidate) > FEW && isWithin(candidate, limits, goal, explicit));
  }

  function near(candidates, goal, explicit) {
    const feasible = candidates.filter((candidate) => !violation(candidate, goal, explicit));
    if (feasible.length) return feasible;
    const limits = limitsOf(candidates, goal, NEAR, explicit);
    return candidates.filter((candidate) => isWithin(candidate, limits, goal, explicit));
  }

  // For each target so many times what the closest candidates reach, or the target itself.
  function limitsOf(candidates, goal, factor, explicit) {
    const best = lowest(candidates, (candidate) => violation(candidate, goal, explicit));
    return latencies(best[0], goal, explicit).map(({ target }, i) =>
      factor * Math.max(target.value, ...best.map((candidate) => latencies(candidate, goal, explicit)[i].value)));
  }

  function isWithin(candidate, limits, goal, explicit) {
    return latencies(candidate, goal, explicit).every(({ value }, i) => value <= limits[i]);
  }

  // The targets that the user wrote, or the default ones.
  function latencies(candidate, goal, explicit) {
    return targets(candidate, goal).filter(({ target }) => target.explicit === explicit);
  }

  // Says whether there are targets that the user wrote, or default ones.
  function isWritten({ ttft, itl, e2eLatency }, explicit) {
    return [ttft, itl, e2eLatency].some((target) => target?.explicit === explicit);
  }

  // By how much targets are missed: the sum of the relative excesses. `explicit`: those that the user wrote.
  function violation(candidate, goal, explicit) {
    return latencies(candidate, goal, explicit)
      .filter(({ value, target }) => value > target.value)
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
    FEW, NEAR, autoscaled, choose, compared, criteria, dominates, forSeveral, front, hasLoad, isOffered, isWritten, meetsTargets, nearest,
    served, targets, violation, wantsLoad,
  };
})();
