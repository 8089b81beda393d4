// A verdict with its reason on every candidate: the rules and words of dgdr_controller/profiler/selection/judge.py.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { exact, percent, significant } = dgdr.numbers;
  const { EVEN, UNLIKELY, chance, chanceOf, likelihood } = dgdr.likely;
  const {
    FEW, NEAR, autoscaled, choose, compared, criteria, dominates, forSeveral, front, hasLoad, isOffered, isWritten, meetsTargets, nearest,
    served, targets, violation, wantsLoad,
  } = dgdr.selection;

  const OUTCOMES = [
    "selected", "alternative", "dominated", "misses-target", "does-not-fit", "over-budget", "not-renderable",
    "not-measured", "failed-trial",
  ];
  const WORTH_TELLING = 1.05;
  const MUCH = 2; // times the throughput, where targets that are a little looser allow so much more

  // Judges candidates anew: choice, front (both of candidates) and verdict by id. What hinders a deployment is
  // no matter of targets: those verdicts stay.
  function judge(candidates, goal, budget) {
    const offered = candidates.filter(isOffered);
    const choice = choose(offered, goal, budget);
    const best = front(offered, goal, budget);
    const onFront = new Map(best.map((each) => [each, criteria(each, goal, budget)]));
    const verdictOn = (candidate) => {
      if (!isOffered(candidate)) return candidate.verdict;
      if (candidate === choice) return { outcome: "selected", reason: whySelected(choice, offered, goal, budget) };
      if (!meetsTargets(candidate, goal)) return { outcome: "misses-target", reason: howMissed(candidate, goal) };
      if (onFront.has(candidate)) return { outcome: "alternative", reason: against(candidate, choice, goal) };
      return { outcome: "dominated", reason: dominator(criteria(candidate, goal, budget), onFront) };
    };
    const verdicts = new Map(candidates.map((candidate) => [candidate.id, verdictOn(candidate)]));
    return { choice, front: best, offered, verdicts };
  }

  // By what the choice was chosen, and what more throughput would cost; words of selection/reasons.py.
  function whySelected(choice, offered, goal, budget) {
    return [reason(choice, offered, goal, budget), ...balanced(choice, goal), ...trade(choice, offered, goal, budget)].join("; ");
  }

  function reason(choice, offered, goal, budget) {
    const [missed, aim] = [howMissed(choice, goal), aimOf(choice, goal)];
    const first = `${fewest(choice, goal, budget)}${aim}`;
    const those = choice.uncertainty ? "whose estimates" : "that";
    if (meetsTargets(choice, goal)) return `${first} among those ${those} meet the targets`;
    if (!violation(choice, goal, true)) return `${first}; ${missed} (${givenUp(offered, goal)})`;
    if (reachesTargets(offered, goal)) {
      return `no configuration that serves as much of the load meets every target (${missed})`;
    }
    const near = exact(Math.round((NEAR - 1) * 10000) / 100);
    const that = closestThat(choice, offered, goal, budget);
    return `no configuration meets every target; ${aim} among those within ${near} % of the closest one${that} (${missed})`;
  }

  // What the closest one must do to be compared with.
  function closestThat(choice, offered, goal, budget) {
    const loadFirst = goal.requestRate !== undefined;
    const share = (candidate) => criteria(candidate, goal, budget).served;
    const rivals = loadFirst ? offered.filter((candidate) => share(candidate) >= share(choice)) : offered;
    const several = forSeveral(rivals, goal, budget, true).length;
    const conditions = [
      ...(loadFirst ? ["serves as much of the load"] : []),
      ...(several ? [`works on more than ${FEW} requests at a time`] : []),
    ];
    return conditions.length ? ` that ${conditions.join(" and ")}` : "";
  }

  // Why numbers that are compared differ from those of the deployment as it starts.
  function balanced(choice, goal) {
    const density = goal.autoscale ? autoscaled(choice) : choice.performance.tokensPerSPerGpu;
    if (density === choice.performance.tokensPerSPerGpu) return [];
    return [`compared as the planner will balance the workers: ${significant(density)} tokens/s/GPU`];
  }

  function reachesTargets(offered, goal) {
    return offered.some((candidate) => !violation(candidate, goal, true));
  }

  function aimOf(choice, goal) {
    const written = isWritten(goal, true);
    if (goal.objective === "hybrid" && !written) {
      return choice.uncertainty && isWritten(goal, false)
        ? "best balance of tokens/s/GPU, tokens/s/user and the chance to meet the default targets"
        : "best balance of tokens/s/GPU and tokens/s/user";
    }
    const [most, wanted] = goal.objective === "latency" ? ["shortest request", "a short request"] : ["most tokens/s/GPU", "tokens/s/GPU"];
    if (!choice.uncertainty || !written) return most;
    return `best trade of ${wanted} and the chance to meet the targets (${likelihood(chance(choice, goal))})`;
  }

  // How likely a candidate meets the targets that the user wrote, after its numbers.
  function howLikely(candidate, goal) {
    if (!candidate.uncertainty || !isWritten(goal, true)) return "";
    return `, ${likelihood(chance(candidate, goal))} likely within the targets`;
  }

  function fewest(choice, goal, budget) {
    if (!hasLoad(goal)) return "";
    const all = criteria(choice, goal, budget).served === 1;
    return all ? "fewest GPUs that serve the load, then " : "largest share of the load, then ";
  }

  function givenUp(offered, goal) {
    return offered.some((candidate) => !violation(candidate, goal, false))
      ? "default targets, which give way where they cost more than half of the throughput"
      : "default targets, which no configuration meets";
  }

  // Which other candidate has clearly more throughput, at which latency: within the targets, and beyond them.
  function trade(choice, offered, goal, budget) {
    const written = isWritten(goal, true);
    if (goal.objective === "throughput" && !written) return [];
    const density = (candidate) => criteria(candidate, goal, budget).tokensPerSPerGpu;
    const share = (candidate) => criteria(candidate, goal, budget).served;
    const rank = (candidate) => [density(candidate), candidate.id];
    const densest = (some) => some.reduce((most, each) => (compared(rank(each), rank(most)) > 0 ? each : most));
    const gain = (candidate) => {
      const { ttft, itl } = candidate.performance;
      return (
        `${significant(density(candidate))} tokens/s/GPU (+${percent(density(candidate) / density(choice))}) ` +
        `on ${candidate.gpus} GPUs, with TTFT ${significant(ttft)} ms and ITL ${significant(itl)} ms`
      );
    };
    const asMuch = offered.filter((candidate) => share(candidate) >= share(choice));
    const met = meetsTargets(choice, goal);
    const within = densest(met ? asMuch.filter((candidate) => meetsTargets(candidate, goal)) : nearest(asMuch, goal, budget, true));
    const told = [];
    if (density(within) >= density(choice) * WORTH_TELLING) {
      told.push(`the most throughput is ${gain(within)}${howLikely(within, goal)}`);
    }
    if (met && written) {
      const looser = densest(asMuch.filter((candidate) => nearlyMeets(candidate, goal)));
      if (density(looser) >= Math.max(density(choice), density(within)) * MUCH) {
        told.push(`targets that are ${exact(Math.round((NEAR - 1) * 10000) / 100)} % looser allow ${gain(looser)}`);
      }
    }
    return told;
  }

  function nearlyMeets(candidate, goal) {
    return targets(candidate, goal).every(({ value, target }) => value <= target.value * (target.explicit ? NEAR : 1));
  }

  function howMissed(candidate, goal) {
    return targets(candidate, goal)
      .filter(({ value, target }) => value > target.value)
      .map(({ name, value, target }) => `misses ${name}=${exact(target.value)}ms by ${percent(value / target.value)}`)
      .join(", ");
  }

  // Says what an alternative gives and takes against the choice.
  function against(candidate, choice, goal) {
    const [ours, theirs] = [candidate.performance, choice.performance];
    const density = (one) => (goal.autoscale ? autoscaled(one) : one.performance.tokensPerSPerGpu);
    const parts = [
      ["tokens/s/user", ours.tokensPerSPerUser, theirs.tokensPerSPerUser],
      ["tokens/s/GPU", density(candidate), density(choice)],
      ["TTFT", ours.ttft, theirs.ttft],
      ["GPUs", candidate.gpus, choice.gpus],
    ]
      .filter(([, a, b]) => a !== b && b)
      .map(([name, a, b]) => `${name} ${a > b ? "+" : "−"}${percent(a / b)}`);
    return parts.length ? `${parts.join(", ")} vs selected` : "as good as the selected one";
  }

  // Names who is better; `onFront`: what its candidates are compared by.
  function dominator(measure, onFront) {
    const [by] = [...onFront].find(([, theirs]) => dominates(theirs, measure)) ?? [];
    return by
      ? `${by.id} (${by.mode}, ${shape(by)}) is at least as good in everything`
      : "equal to the selected one";
  }

  // The targets written by the user that the choice misses, and the load that it does not serve, in plain words.
  function warnings({ choice, offered }, goal, hardware) {
    if (!choice?.performance) return [];
    const found = [];
    const budget = hardware.totalGpus.value;
    const enough = hasLoad(goal) ? gpusThatServe(offered, goal) : undefined;
    const missed = targets(choice, goal)
      .map((each) => ({ ...each, chance: chanceOf(choice, each.name), lowest: Math.min(...offered.map(({ performance }) => performance[each.key])) }))
      .filter(({ value, target }) => value > target.value && target.explicit);
    if (missed.length) {
      const configuration = `${choice.backend} ${choice.mode}, ${shape(choice)}`;
      const price = priceOfClosest(choice, offered, goal, budget);
      const inTheWay = wantsLoad(goal) && reachesTargets(offered, goal) ? load(goal) : "";
      found.push(closestAchievable(missed, configuration, hardware, price, inTheWay));
    } else if (chance(choice, goal) < EVEN) found.push(uncertain(choice, offered, goal, budget));
    const share = served(choice, goal, budget);
    if (share < 1) found.push(shareServed(share, goal, hardware, enough));
    else if (missed.length && enough !== undefined) {
      found.push(`The budget serves ${load(goal)} only outside of the latency targets: it takes ${enough} GPUs`);
    }
    return found;
  }

  // Says that targets are within the estimates and may well be missed.
  function uncertain(choice, offered, goal, budget) {
    const promises = targets(choice, goal)
      .filter(({ name, target }) => target.explicit && chanceOf(choice, name) !== undefined)
      .map(({ name, target }) => `${name}=${exact(target.value)}ms is ${likelihood(chanceOf(choice, name))} likely`);
    const together = promises.length > 1 ? `; all of them: ${likelihood(chance(choice, goal))}` : "";
    return (
      `The estimates are within the targets, but may be off: ${promises.join(", ")}${together}. ` +
      `${likeliest(choice, offered, goal, budget)}Measure the deployment before you rely on it`
    );
  }

  function likeliest(choice, offered, goal, budget) {
    const density = (candidate) => criteria(candidate, goal, budget).tokensPerSPerGpu;
    const rank = (candidate) => [chance(candidate, goal), density(candidate), candidate.id];
    const best = offered.reduce((most, each) => (compared(rank(each), rank(most)) > 0 ? each : most));
    if (chance(best, goal) <= chance(choice, goal)) return "";
    return (
      `The likeliest configuration, ${best.backend} ${best.mode}, ${shape(best)}, has ${likelihood(chance(best, goal))} at ` +
      `${significant(density(best))} tokens/s/GPU. `
    );
  }

  // What the configuration that comes closest to the targets would cost; empty where it is the choice.
  function priceOfClosest(choice, offered, goal, budget) {
    const density = (candidate) => criteria(candidate, goal, budget).tokensPerSPerGpu;
    const rank = (candidate) => [violation(candidate, goal, true), -density(candidate), candidate.id];
    const nearest = offered.reduce((best, each) => (compared(rank(each), rank(best)) < 0 ? each : best));
    if (violation(choice, goal, true) === violation(nearest, goal, true)) return "";
    if (wantsLoad(goal) && !violation(nearest, goal, true)) {
      const within = offered.filter((candidate) => !violation(candidate, goal, true));
      const share = Math.max(...within.map((candidate) => criteria(candidate, goal, budget).served));
      return `Within the targets, ${percentage(share)} of the load can be served. `;
    }
    const missed = targets(nearest, goal)
      .filter(({ target }) => target.explicit)
      .map(({ name, value }) => `${name}=${significant(value)}ms`);
    return (
      `${missed.join(" and ")} would leave ${significant(density(nearest))} tokens/s/GPU; ` +
      `the deployed configuration has ${significant(density(choice))}. `
    );
  }

  // The fewest GPUs that serve the whole load within the written targets; undefined where no number does.
  function gpusThatServe(offered, goal) {
    const replicas = ({ replicas: count, performance }) =>
      goal.requestRate !== undefined
        ? (goal.requestRate * count) / performance.requestRate
        : ((goal.concurrency ?? 0) * count) / performance.concurrency;
    const counts = offered
      .filter((candidate) => !violation(candidate, goal, true))
      .map((candidate) => candidate.gpusPerReplica * Math.ceil(replicas(candidate)));
    return counts.length ? Math.min(...counts) : undefined;
  }

  function closestAchievable(missed, configuration, hardware, price, inTheWay) {
    const said = (list, value) =>
      list.map((each) => `${each.name}=${distinct(value(each), each.target.value)}ms`).join(", ");
    const inCompany = missed.some(({ lowest, target }) => lowest <= target.value);
    const hope = missed.map((each) => each.chance).filter((found) => found > UNLIKELY);
    const [verb, odds] = hope.length === missed.length
      ? ["Unlikely to meet", ` (${likelihood(Math.min(...hope))} likely)`]
      : ["Cannot meet", ""];
    const company = (inTheWay ? ` at ${inTheWay}` : inCompany ? " with the other targets" : "") + odds;
    const nearest = said(missed, ({ value, lowest }) => (inCompany ? value : lowest));
    const reached = said(missed, ({ value }) => value);
    const aside = nearest === reached ? "" : `; deployed: ${reached}`;
    const wanted = missed.map(({ name, target }) => `${name}=${exact(target.value)}ms`).join(" and ");
    return (
      `${verb} ${wanted}${company} with this model/hardware. ` +
      `Closest achievable: ${nearest} (${configuration} on ${hardware.gpuSku}${aside}). ` +
      `${price}Deploying with best available configuration`
    );
  }

  function load(goal) {
    return goal.requestRate ? `requestRate=${exact(goal.requestRate)}/s` : `concurrency=${exact(goal.concurrency)}`;
  }

  function shareServed(share, goal, hardware, enough) {
    const gpus = hardware.totalGpus.value;
    return (
      `Cannot serve ${load(goal)} with ${gpus} GPU${gpus > 1 ? "s" : ""}. Closest achievable: ${percentage(share)} of it. ` +
      "Requests beyond that wait, which the estimated TTFT leaves out. " +
      `${enough ? `${enough} GPUs serve it within the latency targets. ` : ""}Deploying with best available configuration`
    );
  }

  // Writes a share below 1 as a percentage that is neither all nor nothing.
  function percentage(share) {
    return share >= 0.01 ? `${Math.floor(share * 100)}%` : "less than 1%";
  }

  // Writes a value with as many digits as it takes to tell it from another.
  function distinct(value, other) {
    for (let digits = 3; digits <= 12; digits += 1) {
      const text = significant(value, digits);
      if (text !== exact(other)) return text;
    }
    return exact(value);
  }

  // The parallelism in a few words, as `Candidate.shape` and `Parallelism` write it.
  function shape({ mode, workers, replicas, draftTokens }) {
    if (mode === "aggregated") return withDrafts(`${replicas} × ${parallelism(workers[0])}`, draftTokens);
    return withDrafts(workers.map((w) => `${w.count * replicas} × ${parallelism(w)} ${w.role}`).join(" + "), draftTokens);
  }

  function withDrafts(text, draftTokens) {
    return draftTokens ? `${text}, ${draftTokens} draft token${draftTokens > 1 ? "s" : ""}` : text;
  }

  function parallelism({ parallelism: sizes }) {
    const more = [["pp", sizes.pp], ["dp", sizes.dp], ["moe_tp", sizes.moeTp], ["moe_ep", sizes.moeEp], ["cp", sizes.cp]];
    return [`tp${sizes.tp}`, ...more.filter(([, size]) => size > 1).map(([name, size]) => name + size)].join(" ");
  }

  dgdr.verdicts = { OUTCOMES, judge, parallelism, shape, warnings, withDrafts };
})();
